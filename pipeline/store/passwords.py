"""Which passwords may be set. Length is what counts; the rest keeps out the first guesses of anybody who tries."""

from triptych.pipeline.errors import BadInput

MIN_LENGTH = 8
MAX_LENGTH = 1000  # a longer one would only be work for the server
DEMO_PASSWORD = "triptych"  # of the demonstration's accounts; everybody may know it
_COMMON_ONES = """
password passw0rd passwort motdepasse contrasena 12345678 123456789 1234567890 12341234 11111111 00000000 87654321
abcdefgh abcd1234 abc12345 a1b2c3d4 1q2w3e4r 1qaz2wsx qwertyui qwertyuiop qwerty123 asdfghjk asdfghjkl zxcvbnm
iloveyou sunshine princess football baseball superman trustno1 whatever computer internet welcome letmein changeme
default secret administrator admin1234 test1234 testtest astronomy telescope galaxies universe inspector observatory
"""
COMMON = frozenset(_COMMON_ONES.split())


def check_new(name: str, password: str) -> None:
    """Raise BadInput, with what to do, if this password must not be set for the account `name`."""
    if len(password) < MIN_LENGTH:
        raise BadInput(f"the password is too short; use at least {MIN_LENGTH} characters")
    if len(password) > MAX_LENGTH:
        raise BadInput(f"the password is too long; use at most {MAX_LENGTH} characters")
    if is_guessed_first(name, password):
        raise BadInput("this password is among the first that anybody would try; use three or four words of your own")


def is_guessed_first(name: str, password: str) -> bool:
    """Whether a password is the name, `triptych`, a common one, or one of these with digits or signs around it."""
    plain = password.casefold()
    bare = plain.strip("0123456789!?.,;:-_*#+$%&@ ")
    known = {name.casefold(), DEMO_PASSWORD, *COMMON}
    repeated = len(set(plain)) <= 2 or any(plain in 3 * word for word in (2 * name.casefold(), 2 * DEMO_PASSWORD))
    return plain in known or bare in known or not bare or repeated
