"""Building codes in the browser: a model is dropped on the board and checked before one's eyes, a violation is opened in list, plan and 3D, a door is
changed in a CAD plugin and its finding vanishes, and another one is waived by a second person.

Two browsers and a plugin; the tests are one story, in order.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import CHROMIUM, FLAGS, Witness
from tests.e2e.plugin import Plugin
from tests.e2e.validation_house import OFFICIAL, OWNER, PASSWORD
from validation.ingest import demo

HOUSE = "tests.e2e.validation_house"
SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
expect.set_options(timeout=20_000)
PICTURES = os.environ.get("PICTURES", "")  # a folder: keep what they saw


def picture(page: Page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(700)
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


@dataclass
class Stage:
    """The architect's window, the official's, and what the story has learned on its way."""

    browser: Browser
    base: str
    witness: Witness
    architect: Page
    official: Page
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def board(self) -> str:
        return f"/admin/validation/finding/buildings/{self.told['building']}/"


def window(browser: Browser, base: str, witness: Witness, width: int = 1600, height: int = 950, **how: Any) -> Page:
    context = browser.new_context(viewport={"width": width, "height": height}, base_url=base, locale="en-GB", **how)
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    witness.watch(page)
    return page


def log_in(page: Page, name: str) -> None:
    page.goto("/admin/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    expect(page.get_by_role("link", name="Dashboard")).to_be_visible()


@pytest.fixture(scope="module")
def stage(server: str, witness: Witness) -> Iterator[Stage]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *SOFTWARE_GL])
        architect, official = window(browser, server, witness), window(browser, server, witness)
        log_in(architect, OWNER)
        log_in(official, OFFICIAL)
        yield Stage(browser=browser, base=server, witness=witness, architect=architect, official=official)
        browser.close()


@pytest.mark.timeout(900)  # the house is built first: migrations, and the starter rules
def test_an_empty_building_says_what_to_do(stage: Stage) -> None:
    page = stage.architect
    page.goto("/admin/validation/finding/")
    page.locator(".vc-card").click()
    expect(page.locator("#next")).to_contain_text("There is no model yet.")
    stage.told["building"] = page.url.rstrip("/").split("/")[-1]
    picture(page, "board-empty")


def test_a_model_is_dropped_and_checked_before_ones_eyes(stage: Stage, tmp_path: Path) -> None:
    page = stage.architect
    model = tmp_path / "demo_office.ifc"
    model.write_bytes(demo.write())
    expect(page.locator("#live-text")).to_have_text("Live")
    page.locator("#file").set_input_files(model)
    expect(page.locator("#work")).to_be_visible()
    picture(page, "board-working")
    expect(page.locator(".vc-row").first).to_be_visible(timeout=120_000)  # without a reload
    expect(page.locator("#status")).to_have_text("non-compliant", timeout=60_000)
    expect(page.locator("#score")).not_to_have_text("–")
    expect(page.locator("#matrix button").first).to_be_visible()
    picture(page, "board")


def rows(page: Page) -> list[str]:
    return [row.inner_text() for row in page.locator(".vc-row").all()]


def test_filters_stand_in_the_address(stage: Stage) -> None:
    page = stage.architect
    everything = page.locator("#total").inner_text()
    page.locator('[data-filter="severity=critical"]').check()
    expect(page.locator("#total")).not_to_have_text(everything)
    assert "severity=critical" in page.url
    assert page.locator(".vc-row:not(.critical)").count() == 0
    page.reload()
    expect(page.locator('[data-filter="severity=critical"]')).to_be_checked()
    page.go_back()
    expect(page.locator("#total")).to_have_text(everything)
    page.locator("#group").select_option("rule")
    expect(page.locator(".vc-group-head").first).to_be_visible()
    expect(page.locator(".vc-group .vc-row").first).to_be_visible()
    picture(page, "board-grouped")
    page.locator("#group").select_option("")
    page.locator("#text").fill("no such words")
    expect(page.locator("#nothing")).to_contain_text("No finding is left")
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator("#total")).to_have_text(everything)


def test_the_board_is_worked_from_the_keyboard(stage: Stage) -> None:
    page = stage.architect
    page.locator('[data-filter="outcome=fail"]').check()
    expect(page.locator(".vc-row.open-question")).to_have_count(0)
    page.locator("#total").click()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("#panel .vc-finding")).to_be_visible()
    expect(page.locator("#panel")).to_contain_text("What the code asks for")
    expect(page.locator("#panel")).to_contain_text("Evidence")
    picture(page, "board-finding")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    page.keyboard.press("a")
    expect(page.locator(".vc-row").first.locator(".vc-face")).to_be_visible()
    page.keyboard.press("x")
    expect(page.locator("#bulk-count")).to_have_text("1 selected")
    page.locator("#bulk-state").select_option("acknowledged")
    expect(page.locator(".vc-row").first).to_contain_text("Acknowledged")
    expect(page.locator("#bulk")).to_be_hidden()


def test_many_are_changed_at_once_and_the_other_window_sees_it(stage: Stage) -> None:
    stage.official.goto(f"{stage.board}?state=in_progress")
    expect(stage.official.locator("#nothing")).to_be_visible()
    expect(stage.architect.locator("#present .vc-face")).to_have_count(1)  # each sees that the other is there
    page = stage.architect
    page.locator("#all").check()
    picture(page, "board-many")
    page.locator("#bulk-state").select_option("in_progress")
    expect(stage.official.locator(".vc-row").first).to_be_visible()  # without a reload
    page.locator("#all").check()
    page.locator("#bulk-state").select_option("open")
    expect(stage.official.locator(".vc-row")).to_have_count(0)


def test_a_violation_is_opened_in_the_plan_and_in_3d(stage: Stage) -> None:
    page = stage.architect
    door = page.locator(".vc-row", has=page.locator(".vc-element small", has_text="Door")).first
    door.locator(".vc-what").click()
    page.locator("#panel").get_by_role("link", name="In the plan").first.click()
    expect(page.locator(".vc-plan .finding.chosen")).to_be_visible()
    expect(page.locator("#panel .vc-finding")).to_be_visible()
    picture(page, "plan")
    subject = page.locator("#panel .vc-finding").get_attribute("data-subject")
    page.locator("#drawer-close").click()
    page.locator("#fit").click()
    page.locator(f'.vc-plan .finding[data-id="{subject}"]').click(force=True)
    expect(page.locator("#drawer")).to_be_visible()
    expect(page.locator("#panel .vc-finding")).to_have_attribute("data-subject", str(subject))
    page.locator("#panel").get_by_role("link", name="In 3D").first.click()
    expect(page.locator("body[data-model=ready]")).to_be_visible()
    expect(page.locator("#canvas")).to_have_attribute("data-chosen", str(subject))
    expect(page.locator("#panel .vc-finding")).to_have_attribute("data-subject", str(subject))
    expect(page.locator("#legend")).not_to_contain_text("boxes stand in", timeout=90_000)  # the shapes have come
    picture(page, "model")
    assert coloured(page) > 200  # the picture is not blank
    page.locator("#storey").select_option(index=1)
    page.locator("#only").click()
    picture(page, "model-storey")


def coloured(page: Page) -> int:
    """Pixels of the model that are not empty, of 24,000."""
    count: int = page.evaluate(
        """() => {
          const to = Object.assign(document.createElement("canvas"), { width: 200, height: 120 }), pen = to.getContext("2d");
          pen.drawImage(document.querySelector("#canvas canvas"), 0, 0, 200, 120);
          return pen.getImageData(0, 0, 200, 120).data.filter((value, at) => at % 4 === 3 && value > 20).length;
        }"""
    )
    return count


def test_a_door_is_changed_in_the_plugin_and_its_finding_vanishes(stage: Stage) -> None:
    page = stage.architect
    page.goto(f"{stage.board}?outcome=fail&ifc_class=IfcDoor")
    narrow = page.locator(".vc-row", has_text="Egress doors are wide enough").first
    expect(narrow).to_be_visible()
    expect(page.locator("#live-text")).to_have_text("Live")
    narrow.locator(".vc-what").click()
    finding = page.locator("#panel .vc-finding")
    subject, fingerprint = finding.get_attribute("data-subject"), narrow.get_attribute("data-fingerprint")
    page.locator("#drawer-close").click()
    with Plugin(stage.base, stage.told["building"], OWNER, PASSWORD) as plugin:
        expect(page.locator("#present .plugin")).to_contain_text("Test CAD")
        plugin.change(subject, {"facts.clear_width": 0.95})
        expect(page.locator(f'[data-fingerprint="{fingerprint}"]')).to_have_count(0)  # without a reload
        picture(page, "board-live")
        plugin.change(subject, {"facts.clear_width": 0.6})
        expect(page.locator(f'[data-fingerprint="{fingerprint}"]')).to_be_visible()


def test_a_waiver_takes_a_second_person(stage: Stage) -> None:
    page, official = stage.architect, stage.official
    page.goto(f"{stage.board}?outcome=fail&severity=critical")
    row = page.locator(".vc-row").first
    row.locator(".vc-what").click()
    page.get_by_role("button", name="Request a waiver").click()
    page.locator("#waiver-why").fill("The wall is listed; an attendant holds the second leaf open during opening hours.")
    picture(page, "waiver-request")
    page.get_by_role("button", name="Send the request").click()
    expect(page.locator("#panel .vc-waiver")).to_contain_text("requested")
    page.locator("#panel .vc-waiver").click()
    expect(page.locator("#waiver-state")).to_have_text("requested")
    assert page.get_by_role("button", name="Approve").count() == 0  # not one's own
    official.goto("/admin/validation/waiver/")
    official.locator('a[href*="/validation/waiver/"][href*="/change/"]').first.click()
    official.locator("#id_note").fill("Seen on site.")
    picture(official, "waiver-decide")
    page.goto(f"{stage.board}?outcome=fail&severity=critical")
    before = page.locator("#matrix-total").inner_text()
    official.get_by_role("button", name="Approve").click()
    expect(official.locator("#waiver-state")).to_have_text("approved")
    picture(official, "waiver-approved")
    expect(page.locator(".vc-row", has_text="Waived").first).to_be_visible()  # without a reload
    expect(page.locator("#matrix-total")).not_to_have_text(before)


@pytest.mark.parametrize(("name", "width", "height"), [("wide", 1600, 950), ("phone", 390, 800)])
def test_it_fits_every_window_in_light_and_dark(name: str, width: int, height: int, stage: Stage) -> None:
    for scheme in ("light", "dark"):
        page = window(stage.browser, stage.base, stage.witness, width, height, color_scheme=scheme)
        log_in_small(page, OWNER)
        for path in ("", "plan/", "model/"):
            page.goto(f"{stage.board}{path}")
            expect(page.locator("#live-text")).to_have_text("Live")
            page.wait_for_load_state("networkidle")
            picture(page, f"{name}-{scheme}-{path.rstrip('/') or 'board'}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, path)
        page.context.close()


def log_in_small(page: Page, name: str) -> None:
    page.goto("/admin/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")


def test_nothing_foreign_and_no_complaints(stage: Stage) -> None:
    assert stage.witness.foreign == []
    ours = [text for text in stage.witness.complaints if "404" not in text and "GPU stall" not in text]  # a plan or a favicon that is not there
    assert ours == []
