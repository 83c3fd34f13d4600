"""Runs what the documentation tells people to type.

Code blocks tagged `bash,test` of one page run in order in one shell per page, so that a page reads like the journey it
describes. The shell has `hilum` on its path and finds in the environment what a reader has set by hand:

HILUM_DATA  the data directory             URL     the server's origin
CA          the local CA's certificate     TENANT  the tenant's ID
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from dicom_files import image, part10
from server import binary

PAGES = Path(__file__).parents[2] / "docs" / "src"
BLOCK = re.compile(r"^```bash,test\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return BLOCK.findall(page.read_text())


TESTED = sorted(page for page in PAGES.rglob("*.md") if blocks(page))


def test_some_pages_are_tested():
    assert len(TESTED) >= 5


@pytest.mark.parametrize("page", TESTED, ids=lambda page: page.relative_to(PAGES).as_posix())
def test_page(server, page, tmp_path):
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "hilum").symlink_to(binary())
    (tmp_path / "slice.dcm").write_bytes(part10(image(PatientID="12345", PatientName="Doe^Jane")))
    script = "set -euo pipefail\n" + "\n".join(blocks(page))
    environment = {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "HILUM_DATA": str(server.data),
        "URL": server.url,
        "CA": server.ca,
        "TENANT": server.tenant,
    }
    if server.database:
        environment["HILUM_DATABASE"] = server.database
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{page.name}:\n{script}\n--- said ---\n{done.stdout}\n{done.stderr}"


def test_links_lead_somewhere():
    broken = []
    for page in PAGES.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                broken.append(f"{page.name} → {target}")
    assert not broken
