"""A hook of MkDocs: what lies outside docs/ is on the site too, and links to it work there as they do in a checkout.

README is the first page, without the sections that have a page of their own. A file that a page links to is copied to
files/, and a folder becomes a page that lists what is in it.
"""

import re
from pathlib import Path
from posixpath import normpath, relpath

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
README = "README.md"
# page -> the file of the repository that it shows
SHOWN = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
# page -> the section of README that it shows, instead of the first page
SECTIONS = {
    "commands/index.md": "Every command",
    "api/index.md": "From Python",
    "dependencies.md": "What it stands on",
    "licence.md": "Licence, and how to cite",
}
PAGE_OF = {README: "index.md", **{source: page for page, source in SHOWN.items()}, "LICENSE": "licence.md"}
# page -> the file of the repository from whose folder its links go out
SOURCE_OF = {"index.md": README, **SHOWN, **dict.fromkeys(SECTIONS, README)}
LOGO = "static/frame/logo.svg"
PICTURES = (".png", ".webp", ".jpg", ".svg")
FOLDED = re.compile(r"^</?details>\n|^<summary>.*</summary>\n", re.MULTILINE)
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
# On a page with tabs above, how to install would be below the screen: it comes before the picture.
PICTURE_FIRST = re.compile(r"(!\[[^\]]*\]\([^)]*\)\n\n)(```\n.*?\n```\n\n)", re.DOTALL)
HEAD = "---\nhide: [navigation]\n---\n\n"


def sections(readme: str) -> dict[str, str]:
    """What README says under each heading of its second level; '' for what stands before the first."""
    parts = re.split(r"^## (.+)\n", FOLDED.sub("", readme), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def texts() -> dict[str, str]:
    """page -> its Markdown, for every page that is made from a file outside docs/"""
    found = sections((ROOT / README).read_text())
    made = {page: f"# {name}\n{found.pop(name)}" for page, name in SECTIONS.items()}
    made["licence.md"] += "\n```text\n" + (ROOT / "LICENSE").read_text() + "```\n"
    first = PICTURE_FIRST.sub(r"\2\1", found.pop(""), count=1)
    made["index.md"] = HEAD + first + "".join(f"## {name}\n{text}" for name, text in found.items())
    return made | {page: (ROOT / source).read_text() for page, source in SHOWN.items()}


def folder_page(folder: Path) -> str:
    """A list of what is in a folder; pictures are shown."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    pictures = [name for name in names if name.endswith(PICTURES)]
    shown = "\n".join(f"- ![]({name}){{ loading=lazy }}\n  `{name}`" for name in pictures)
    listed = "\n".join(f"- [{name}]({name})" for name in names if name not in pictures)
    return f"# {folder.relative_to(ROOT).as_posix()}/\n\n{listed}\n\n" + (
        f'<div class="pictures" markdown>\n\n{shown}\n\n</div>\n' if pictures else ""
    )


def place(target: str) -> str:
    """Where a file or folder of the repository, by its path from the top, is on the site."""
    if target in PAGE_OF:
        return PAGE_OF[target]
    on_site = target.removeprefix("docs/") if target.startswith("docs/") else f"files/{target}"
    return f"{on_site}/folder.md" if (ROOT / target).is_dir() else on_site


def targets(page: str, markdown: str) -> dict[str, str]:
    """link -> what it means in the repository, for every link of a page to a file or folder that exists"""
    folder = Path(SOURCE_OF.get(page, f"docs/{page}")).parent.as_posix()
    meant = {link: normpath(f"{folder}/{link}") for link in LINK.findall(markdown)}
    return {link: target for link, target in meant.items() if (ROOT / target).exists()}


def on_files(files, config):
    made = texts()
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    wanted = {LOGO}
    for file in list(files.documentation_pages()):
        wanted |= set(targets(file.src_uri, file.content_string).values())
    for target in sorted(wanted):
        path, uri = ROOT / target, place(target)
        if path.is_dir():
            files.append(File.generated(config, uri, content=folder_page(path)))
            inside = [own for own in path.iterdir() if own.is_file()] if uri.startswith("files/") else []
            for own in inside:
                files.append(File.generated(config, f"files/{target}/{own.name}", abs_src_path=str(own)))
        elif files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, **_):
    here = page.file.src_uri
    found = targets(here, markdown)

    def to_site(link: re.Match) -> str:
        target = found.get(link[1])
        return relpath(place(target), Path(here).parent.as_posix()) if target else link[1]

    return LINK.sub(to_site, markdown)


def on_page_content(html, **_):
    """A picture opens in its full size."""
    return re.sub(r'(?<!">)<img [^>]*src="([^"]+)"[^>]*>', r'<a class="picture" href="\1">\g<0></a>', html)
