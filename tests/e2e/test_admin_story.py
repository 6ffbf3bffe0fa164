"""One author's afternoon: break a draft, see why, mend it, publish it, talk to it, read what happened. The tests are one story, in order."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Witness
from tests.e2e.house import PASSWORD, USER

PICTURES = os.environ.get("PICTURES", "")  # a folder: keep what the author saw


def picture(page: Page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(400)
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


def open_flow(page: Page) -> None:
    page.goto("/admin/flows/flow/")
    page.get_by_role("link", name="Greeting").first.click()
    expect(page.locator("#states")).to_be_visible()


def open_state(page: Page, name: str) -> None:
    open_flow(page)
    page.locator(f'#states tr[data-state="{name}"] a').first.click()
    expect(page.locator("#id_name")).to_have_value(name)


@pytest.mark.parametrize("wrong", ["not the password"])
def test_a_wrong_password_does_not_open_the_admin(page: Page, wrong: str) -> None:
    page.goto("/admin/")
    page.fill("[name=username]", USER)
    page.fill("[name=password]", wrong)
    page.click("button[type=submit]")
    expect(page.locator("[name=password]")).to_be_visible()


def test_the_dashboard_says_what_to_do_next(page: Page) -> None:
    page.goto("/admin/")
    page.fill("[name=username]", USER)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    steps = page.locator("#next-steps")
    expect(steps).to_contain_text("1 of 4 done")
    expect(steps.locator(".mcp-step.done")).to_have_count(1)
    expect(page.locator("#mcp-curl")).to_contain_text("/api/v1/conversations")
    picture(page, "dashboard-empty")


def test_a_transition_to_a_missing_state_is_marked_where_it_is(page: Page) -> None:
    open_state(page, "judge")
    page.fill("#id_transitions-1-target_state", "nowhere")
    page.click("button[name=_continue]")
    expect(page.locator("#problems")).to_contain_text("nowhere")
    expect(page.locator("#id_transitions-1-target_state")).to_have_class(re.compile("mcp-has-problem"))
    expect(page.locator("#id_transitions-0-target_state")).not_to_have_class(re.compile("mcp-has-problem"))
    page.locator("#id_transitions-1-target_state").scroll_into_view_if_needed()
    picture(page, "state-problem")


def test_the_flow_shows_the_problem_in_its_table_and_picture(page: Page) -> None:
    open_flow(page)
    row = page.locator('#states tr[data-state="judge"]')
    expect(row.locator(".mcp-target-chip.missing")).to_have_text("nowhere")
    expect(row.locator(".mcp-badge.danger")).to_be_visible()
    expect(page.locator(".mcp-graph .node.bad")).to_contain_text("judge")
    picture(page, "flow-problem")


def test_a_draft_with_errors_cannot_be_published(page: Page) -> None:
    page.get_by_role("link", name="Publish").click()
    expect(page.locator("#problems")).to_contain_text("nowhere")
    expect(page.locator("#mcp-publish")).to_be_disabled()
    picture(page, "publish-problem")


def test_json_that_is_wrong_keeps_what_was_typed_and_says_where(page: Page) -> None:
    open_state(page, "low")
    page.fill("#id_config", '{"response_templates": {"default": "oops"}')
    page.click("button[name=_continue]")
    expect(page.locator("#content")).to_contain_text("Not JSON at line 1, column")
    expect(page.locator("#id_config")).to_have_value(re.compile("oops"))


def test_a_field_that_is_not_known_is_refused_on_its_field(page: Page) -> None:
    open_state(page, "low")
    page.fill("#id_config", '{"response_templates": {"default": "Low."}, "colour": "blue"}')
    page.click("button[name=_continue]")
    expect(page.locator("#content")).to_contain_text("colour")
    expect(page.locator("#id_config")).to_have_class(re.compile("mcp-has-problem"))
    expect(page.locator("#id_config")).to_have_value(re.compile("blue"))


def test_mended_it_has_no_problems(page: Page) -> None:
    open_state(page, "judge")
    page.fill("#id_transitions-1-target_state", "low")
    page.click("button[name=_save]")
    expect(page.locator("#states")).to_be_visible()
    expect(page.locator("#problems")).to_have_count(0)
    picture(page, "flow")


def test_it_is_published_with_a_note(page: Page) -> None:
    page.get_by_role("link", name="Publish").click()
    page.fill("#mcp-note", "The first one")
    page.click("#mcp-publish")
    expect(page.locator("#versions")).to_contain_text("The first one")
    expect(page.locator("#versions .mcp-badge.success")).to_have_text("production")


def test_it_talks_in_the_test_page_and_says_why(page: Page) -> None:
    page.get_by_role("link", name="Try it").click()
    page.get_by_role("button", name="Start a conversation").click()
    expect(page.locator(".mcp-line.bot").last).to_contain_text("How many storeys")
    for said, answered in (("why?", "To greet you properly."), ("12", "12 storeys: a high-rise.")):
        page.fill("#mcp-text", said)
        page.click("#mcp-send")
        expect(page.locator("#mcp-lines")).to_contain_text(answered)
    trace = page.locator("#mcp-trace details").last
    expect(trace.locator("li.taken").last).to_contain_text("slots.storeys >= 8")
    expect(trace).to_contain_text("not tried: another transition was taken first")
    expect(page.locator(".mcp-line.user")).to_have_count(2)
    picture(page, "chat")


def test_the_transcript_has_the_same_words_and_reasons(page: Page) -> None:
    page.click("#mcp-transcript")
    expect(page.locator("#transcript")).to_contain_text("12 storeys: a high-rise.")
    last = page.locator("#transcript details").last
    last.locator("summary").click()
    expect(last.locator("li.taken").last).to_contain_text("slots.storeys >= 8")
    picture(page, "transcript")


def test_a_change_shows_as_a_difference_and_can_be_rolled_back(page: Page) -> None:
    open_state(page, "judge")
    page.fill("#id_transitions-0-expression", "slots.storeys >= 20")
    page.click("button[name=_save]")
    page.get_by_role("link", name="Publish").click()
    expect(page.locator("#diff td.old")).to_have_text("slots.storeys >= 8")
    expect(page.locator("#diff td.new")).to_have_text("slots.storeys >= 20")
    picture(page, "diff")
    page.click("#mcp-publish")
    expect(page.locator("#versions tbody tr")).to_have_count(2)
    page.locator("#versions tbody tr").last.get_by_role("button", name="Roll back").click()
    expect(page.locator("#versions tbody tr").last.locator(".mcp-badge.success")).to_have_text("production")


def test_an_arrow_drawn_in_the_picture_connects_two_states(page: Page) -> None:
    open_flow(page)
    source = page.locator('.mcp-graph .node[data-state="ask"]')
    source.hover()
    source.locator(".port").hover()
    page.mouse.down()
    page.locator('.mcp-graph .node[data-state="low"] rect.box').hover()
    picture(page, "arrow")
    page.mouse.up()
    expect(page.get_by_text("Connected to low, always.")).to_be_visible()
    expect(page.locator('#states tr[data-state="ask"] .mcp-target-chip')).to_have_text(["judge", "low"])
    page.get_by_role("link", name="Say when").click()
    expect(page.locator("#id_transitions-1-target_state")).to_have_value("low")


def test_an_api_key_is_shown_once(page: Page) -> None:
    page.goto("/admin/tenancy/apikey/add/")
    page.fill("#id_name", "Website")
    page.click("button[name=_save]")
    expect(page.locator("#mcp-key")).to_have_text(re.compile(r"^mcp_\w+_\w+$"))
    picture(page, "api-key")
    page.reload()
    expect(page.locator("#mcp-key")).to_have_count(0)
    expect(page.locator("#content")).to_contain_text("shown already")


def test_the_audit_chain_of_all_this_is_whole(page: Page) -> None:
    page.goto("/admin/tenancy/auditentry/")
    expect(page.locator("#result_list")).to_contain_text("flow.roll_back")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.locator("#main")).to_contain_text("the audit chain is whole")


def test_the_dashboard_has_real_numbers_now(page: Page) -> None:
    page.goto("/admin/")
    expect(page.locator("#next-steps")).to_have_count(0)
    expect(page.locator(".mcp-chart .bar.today title")).to_have_text(re.compile(": 2$"))
    picture(page, "dashboard")


def test_nothing_was_fetched_from_elsewhere_and_no_page_complained(witness: Witness) -> None:
    assert witness.foreign == []
    assert witness.complaints == []
