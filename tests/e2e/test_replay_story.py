"""A draft is replayed over stored conversations: progress, causes, both runs side by side, a test out of one, a publish that it stops."""

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Witness
from tests.e2e.replay_house import PASSWORD, USER

HOUSE = "tests.e2e.replay_house"


def test_log_in(page: Page) -> None:
    page.goto("/admin/")
    page.fill("#id_username", USER)
    page.fill("#id_password", PASSWORD)
    page.click("button[type=submit]")
    expect(page.locator("h1, h2").first).to_be_visible()


def test_replay_the_draft(page: Page) -> None:
    page.goto("/admin/conversations/replay/start/?flow=permit_desk&tenant=office")
    page.click("#mcp-start")
    expect(page.get_by_text("Open the result")).to_be_visible(timeout=240_000)
    page.click("text=Open the result")
    expect(page.locator("#causes")).to_contain_text("A slot gets another value")
    expect(page.locator("#causes")).to_contain_text("Words only")
    numbers = [int(page.locator(name).inner_text()) for name in ("#count-same", "#count-differs", "#count-words")]
    assert all(numbers)


def test_both_runs_side_by_side(page: Page) -> None:
    page.locator("#causes a", has_text="A slot gets another value").click()
    page.locator("#results a").first.click()
    first = page.locator("#divergence")
    expect(first).to_contain_text("160")
    expect(first).to_contain_text("A number of storeys is a whole number")
    expect(first).to_contain_text("first difference")


def test_a_conversation_becomes_a_test_that_stops_a_publish(page: Page) -> None:
    page.click("text=Make a test of it")
    expect(page.locator("#id_script")).to_contain_text("expect slots.storeys = 160")
    page.click("#mcp-save")
    expect(page.locator("#divergence")).to_contain_text("The bot says something else.")
    page.locator(".mcp-tabs a", has_text="Publish").click()
    expect(page.locator("#failing")).to_contain_text("Conversation")
    page.fill("#mcp-override", "the limit is meant")
    page.click("#mcp-publish")
    expect(page.locator("#versions")).to_contain_text("Version 2")


def test_nothing_was_wrong(witness: Witness) -> None:
    assert witness.foreign == []
    assert witness.complaints == []
