"""Compiled code that decodes RICE-compressed tiles. Use it through `rice`. It releases the GIL.

It is all in this one file, because numba compiles again only when the file itself changes.
"""

import sys
from collections.abc import Callable

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

N_RANDOM = 10_000
BLOCK_PIXELS = 32
RAW_BLOCK = 25  # code of a block whose differences are stored uncompressed


def _compiled(function: Callable) -> Callable:
    """Compile at the first call and cache on disk if possible. The compiled code releases the GIL."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(nogil=True)(function)


@intrinsic
def _leading_zeros(context, word):
    def build(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], cgutils.false_bit)

    return types.uint64(types.uint64), build


@intrinsic
def _eight_bytes(context, data, at):
    """Eight bytes from data[at] as one big-endian number. It does not check that they exist."""

    def build(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = builder.gep(array.data, [arguments[1]])
        word = builder.load(builder.bitcast(first, context.get_value_type(types.uint64).as_pointer()), align=1)
        return builder.bswap(word) if sys.byteorder == "little" else word

    return types.uint64(data, types.int64), build


@_compiled
def decode_tile(data, start, length, values, n):
    """Decode n pixels of one tile. data : uint8, padded after the tile. values : int32, n or more. False if damaged.

    `bits` has the next bits of the stream, highest first; at least `left` of them are valid.
    """
    if length < 4:
        return False
    end = 8 * (start + length)  # in bits
    first = _eight_bytes(data, start)  # pyright: ignore[reportCallIssue]  # numba gives the context
    last = np.int32(np.uint32(first >> np.uint64(32)))
    at = start + 4
    bits = np.uint64(0)
    left = np.int64(0)
    one = np.uint64(1)
    done = 0
    while done < n:
        if 8 * at - left >= end:
            return False
        bits |= _eight_bytes(data, at) >> np.uint64(left)
        at += (63 - left) >> 3
        left |= 56
        code = np.int64(bits >> np.uint64(59)) - 1
        bits <<= np.uint64(5)
        left -= 5
        stop = min(done + BLOCK_PIXELS, n)
        if code < 0:
            values[done:stop] = last
            done = stop
            continue
        if code > RAW_BLOCK:
            return False
        if code == RAW_BLOCK:
            for i in range(done, stop):
                if 8 * at - left >= end:
                    return False
                bits |= _eight_bytes(data, at) >> np.uint64(left)
                at += (63 - left) >> 3
                left |= 56
                step = np.uint32(bits >> np.uint64(32))
                bits <<= np.uint64(32)
                left -= 32
                last = np.int32(last + np.int32((step >> np.uint32(1)) ^ (np.uint32(0) - (step & np.uint32(1)))))
                values[i] = last
            done = stop
            continue
        shift = np.uint64(code)
        low = (one << shift) - one
        every = 3 if code < 9 else (1 if code < 20 else 0)  # refill `bits` after every + 1 pixels
        for i in range(done, stop):
            if (i & every) == 0:
                bits |= _eight_bytes(data, at) >> np.uint64(left)
                at += (63 - left) >> 3
                left |= 56
            high = _leading_zeros(bits)
            if np.int64(high) + 1 + code <= left:
                used = high + one + shift
                step = (high << shift) | ((bits >> (np.uint64(64) - used)) & low)
                bits <<= used
                left -= np.int64(used)
            else:  # a long run of zeros
                high = np.uint64(0)
                while True:
                    zeros = _leading_zeros(bits)
                    if np.int64(zeros) < left:
                        break
                    high += np.uint64(left)
                    if 8 * at >= end:
                        return False
                    bits = _eight_bytes(data, at)
                    at += 7
                    left = np.int64(56)
                high += zeros
                bits <<= zeros + one
                left -= np.int64(zeros) + 1
                bits |= _eight_bytes(data, at) >> np.uint64(left)
                at += (63 - left) >> 3
                left |= 56
                step = (high << shift) | (((bits >> one) >> (np.uint64(63) - shift)) & low)
                bits <<= shift
                left -= code
            step32 = np.uint32(step)
            last = np.int32(last + np.int32((step32 >> np.uint32(1)) ^ (np.uint32(0) - (step32 & np.uint32(1)))))
            values[i] = last
        done = stop
    return 8 * at - left <= end


@_compiled
def _dither(values, randoms, scale, zero, pixels):
    for j in range(len(pixels)):
        pixels[j] = np.float32((np.float64(values[j]) - np.float64(randoms[j]) + 0.5) * scale + zero)


@_compiled
def scale_tile(values, n, scale, zero, seed, randoms, has_blank, blank, pixels):
    """Pixels of one tile, float32, NaN where blank, computed like cfitsio. seed : of the tile, -1 = no dither.

    Returns the number of blank pixels.
    """
    if seed < 0:
        for i in range(n):
            pixels[i] = np.float32(np.float64(values[i]) * scale + zero)
    else:
        row = seed % N_RANDOM
        at = np.int64(np.float64(randoms[row]) * 500.0)
        i = 0
        while i < n:
            m = min(n - i, N_RANDOM - at)
            _dither(values[i : i + m], randoms[at : at + m], scale, zero, pixels[i : i + m])
            i += m
            row = (row + 1) % N_RANDOM
            at = np.int64(np.float64(randoms[row]) * 500.0)
    n_blank = 0
    if has_blank:
        for i in range(n):
            n_blank += values[i] == blank
        if n_blank:
            for i in range(n):
                if values[i] == blank:
                    pixels[i] = np.nan
    return n_blank


@_compiled
def _pixels_of_tile(
    data, start, length, scale, zero, spare, lossless, seed, quantized, randoms, blanks, values, pixels
):
    """Write the pixels of one tile to `pixels`, whichever way the tile is stored. Return False if it is damaged.

    blanks : (has_blank, blank). values, pixels : int32 and float32, as long as the tile.
    """
    n = len(pixels)
    if spare >= 0:
        pixels[:] = lossless[spare, :n]
        return True
    if not decode_tile(data, start, length, values, n):
        return False
    if quantized:
        scale_tile(values, n, scale, zero, seed, randoms, blanks[0], blanks[1], pixels)
    else:
        for i in range(n):
            pixels[i] = np.nan if blanks[0] and values[i] == blanks[1] else np.float32(values[i])
    return True


@_compiled
def decode_window(tiles, first, ny, nx, tile_rows, dither, quantized, randoms, blanks, rows, columns, window):
    """Fill `window` (float32) with rows[0]:rows[1], columns[0]:columns[1] of the image. False if a tile is damaged."""
    data, starts, lengths, scales, zeros, spare, lossless = tiles
    values = np.empty(tile_rows * nx, np.int32)
    pixels = np.empty(tile_rows * nx, np.float32)
    for i in range(len(starts)):
        top = (first + i) * tile_rows
        n_rows = min(tile_rows, ny - top)
        seed = first + i + dither - 1 if dither > 0 else -1
        part = pixels[: n_rows * nx]
        if not _pixels_of_tile(
            data,
            starts[i],
            lengths[i],
            scales[i],
            zeros[i],
            spare[i],
            lossless,
            seed,
            quantized,
            randoms,
            blanks,
            values,
            part,
        ):
            return False
        for row in range(max(top, rows[0]), min(top + n_rows, rows[1])):
            begin = (row - top) * nx
            window[row - rows[0]] = part[begin + columns[0] : begin + columns[1]]
    return True


@_compiled
def bin_image(
    tiles,
    first,
    last,
    ny,
    nx,
    tile_rows,
    dither,
    quantized,
    randoms,
    blanks,
    bin,
    means,
    step,
    thinned,
    strip,
    side,
    squares,
    sums,
):
    """Pixels of the tiles first to last (excluded), their block means, every step-th, and means of small squares.

    strip : float32, gets the pixels. squares : (n, nx // side) float32, NaN where a pixel of the square is, from the
    first row of the strip on. sums : (totals (nx,) float64, counts (nx,) int32, squares (nx,) float32, whole (1,)
    int64) of the block that is under way, from one strip to the next. Returns the numbers of recorded and of non-zero
    pixels; (-1, -1) if a tile is damaged.
    """
    data, starts, lengths, scales, zeros, spare, lossless = tiles
    totals, counts, of_squares, whole = sums  # whole : rows of this block in which every pixel is recorded
    values = np.empty(tile_rows * nx, np.int32)
    n_recorded = 0
    n_filled = 0
    begin = first * tile_rows
    for i in range(first, last):
        top = i * tile_rows
        here = min(tile_rows, ny - top)
        seed = i + dither - 1 if dither > 0 else -1
        part = strip[(top - begin) * nx : (top - begin + here) * nx]
        if not _pixels_of_tile(
            data,
            starts[i],
            lengths[i],
            scales[i],
            zeros[i],
            spare[i],
            lossless,
            seed,
            quantized,
            randoms,
            blanks,
            values,
            part,
        ):
            return -1, -1
        for row in range(top, top + here):
            line = part[(row - top) * nx : (row - top + 1) * nx]
            if row % step == 0:
                thinned[row // step] = line[::step]
            recorded, filled = _add_line(line, totals, counts)
            n_recorded += recorded
            n_filled += filled
            whole[0] += recorded == nx
            if (row + 1) % bin == 0 or row + 1 == ny:
                _finish_blocks(totals, counts, whole[0], bin, means[row // bin])
                whole[0] = 0
            if (row - begin) // side < len(squares):
                _add_squares(line, (row - begin) % side, side, of_squares, squares[(row - begin) // side])
    return n_recorded, n_filled


@_compiled
def _add_line(line, totals, counts):
    """Add one image row to the column totals. Return the numbers of recorded and of non-zero recorded pixels.

    `counts` is updated only for rows with gaps.
    """
    n = len(line)
    recorded = 0
    filled = 0
    for x in range(n):
        recorded += np.isfinite(line[x])
        filled += line[x] != 0
    if recorded == n:
        for x in range(n):
            totals[x] += np.float64(line[x])
        return recorded, filled
    filled = 0
    for x in range(n):
        if np.isfinite(line[x]):
            totals[x] += np.float64(line[x])
            counts[x] += 1
            filled += line[x] != 0
    return recorded, filled


@_compiled
def _add_squares(line, place, side, sums, squares):
    """Add one image row to the squares that it crosses. place : of the row in them, 0 to side - 1.

    The sums are float32, in this order, as another reader makes them of whole images.
    """
    if place == 0:
        sums[:] = line
    else:
        for x in range(len(sums)):
            sums[x] += line[x]
    if place < side - 1:
        return
    share = np.float32(1.0) / np.float32(side * side)
    if side == 4:  # the usual one, which the compiler makes quicker if it knows it
        for i in range(len(squares)):
            x = 4 * i
            squares[i] = (((sums[x] + sums[x + 1]) + sums[x + 2]) + sums[x + 3]) * share
        return
    for i in range(len(squares)):
        total = sums[i * side]
        for x in range(i * side + 1, (i + 1) * side):
            total += sums[x]
        squares[i] = total * share


@_compiled
def _finish_blocks(totals, counts, whole, bin, means):
    """Write one row of block means from the column totals, and reset these to zero."""
    nx = len(totals)
    for block in range(len(means)):
        total = 0.0
        count = 0
        for x in range(block * bin, min((block + 1) * bin, nx)):
            total += totals[x]
            count += counts[x] + whole
            totals[x] = 0.0
            counts[x] = 0
        means[block] = np.float32(total / count) if count else np.float32(np.nan)
