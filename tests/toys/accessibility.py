"""Check pages with axe-core, in light and dark colours."""

import pytest

SERIOUS = ("serious", "critical")


def find_accessibility_faults(page) -> list[str]:
    """Return axe-core's serious findings on a page of Playwright, each as "rule: element"."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    faults = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for violation in axe.run(page).response["violations"]:
            for node in violation["nodes"]:
                if violation["impact"] in SERIOUS:
                    faults.add(f"{violation['id']}: {node['html'][:150]} ({scheme})")
    page.emulate_media(color_scheme="light")
    return sorted(faults)
