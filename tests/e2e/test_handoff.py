"""A visitor, an agent and the bot: a chat page is made, somebody asks for a person, an agent answers live and gives the conversation back.

Two browsers without anything in common; the tests are one story, in order.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.chat_house import AGENT, OWNER, PASSWORD
from tests.e2e.conftest import CHROMIUM, FLAGS, Witness

HOUSE = "tests.e2e.chat_house"
expect.set_options(timeout=15_000)
PICTURES = os.environ.get("PICTURES", "")  # a folder: keep what they saw


def picture(page: Page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(500)
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


@dataclass
class Stage:
    """Everybody's browser window; `chat` is the address of the chat page once it is made."""

    browser: Browser
    base: str
    witness: Witness
    owner: Page
    agent: Page
    visitor: Page
    chat: str = ""


def window(browser: Browser, base: str, witness: Witness, width: int = 1500, height: int = 900, locale: str = "en-GB") -> Page:
    context = browser.new_context(viewport={"width": width, "height": height}, base_url=base, locale=locale)
    context.set_default_timeout(15_000)
    page = context.new_page()
    witness.watch(page)
    return page


@pytest.fixture(scope="module")
def stage(server: str, witness: Witness) -> Iterator[Stage]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        owner, agent = window(browser, server, witness), window(browser, server, witness)
        visitor = window(browser, server, witness, 900, 800)
        yield Stage(browser=browser, base=server, witness=witness, owner=owner, agent=agent, visitor=visitor)
        browser.close()


def log_in(page: Page, name: str) -> None:
    page.goto("/admin/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")


def types_until_seen(writer: Page, reader: Page, expected: str) -> None:
    """The sign of typing goes after a few seconds: a slow machine may miss the first one."""
    for _ in range(20):
        writer.locator("#text").press_sequentially("x")
        with suppress(AssertionError):
            expect(reader.locator("#typing")).to_contain_text(expected, timeout=2_500)
            return
    pytest.fail(f"nobody saw: {expected}")


def test_the_owner_makes_a_chat_page(stage: Stage) -> None:
    log_in(stage.owner, OWNER)
    stage.owner.goto("/admin/conversations/webchannel/add/")
    stage.owner.fill("[name=name]", "Front desk")
    stage.owner.fill("[name=flow_id]", "desk")
    stage.owner.fill("[name=greeting]", "We answer from 8 to 4.")
    stage.owner.fill("[name=allowed_origins]", "https://www.example.org/path")
    stage.owner.click("[name=_continue]")
    expect(stage.owner.get_by_text("is no origin")).to_be_visible()
    stage.owner.fill("[name=allowed_origins]", "https://www.example.org")
    stage.owner.click("[name=_continue]")
    stage.chat = stage.owner.locator("#page-url").inner_text()
    picture(stage.owner, "web-chat-admin")
    assert stage.chat.startswith(f"{stage.base}/chat/")


def test_the_inbox_is_empty_and_says_why(stage: Stage) -> None:
    log_in(stage.agent, AGENT)
    stage.agent.goto("/admin/conversations/handoff/")
    expect(stage.agent.locator("#nothing")).to_contain_text("Nobody is waiting")
    expect(stage.agent.locator("#dot.on")).to_be_visible()
    picture(stage.agent, "inbox-empty")


def test_a_visitor_talks_to_the_bot(stage: Stage) -> None:
    visitor = stage.visitor
    visitor.goto(stage.chat)
    expect(visitor.locator("#lines")).to_contain_text("What is it going to be?")
    expect(visitor.locator(".greeting").first).to_have_text("We answer from 8 to 4.")
    picture(visitor, "chat-begins")
    visitor.get_by_role("button", name="Office").click()
    expect(visitor.locator("#lines")).to_contain_text("How many storeys?")


def test_a_reload_resumes_the_conversation(stage: Stage) -> None:
    stage.visitor.reload()
    expect(stage.visitor.locator("li.bot").last).to_contain_text("How many storeys?")
    assert stage.visitor.locator("li.user").count() == 1


def test_the_visitor_asks_for_a_person_and_the_queue_shows_it_at_once(stage: Stage) -> None:
    stage.visitor.fill("#text", "<b>human</b>")
    stage.visitor.press("#text", "Enter")
    stage.visitor.get_by_role("button", name="Talk to a person").click()
    expect(stage.visitor.locator("#status")).to_have_text("Waiting for a person")
    expect(stage.visitor.locator("#human")).to_be_hidden()
    entry = stage.agent.locator("#items button")
    expect(entry).to_have_count(1)  # without a reload
    expect(entry).to_contain_text("permits")
    picture(stage.agent, "inbox-waiting")


def test_the_agent_takes_it_and_they_talk(stage: Stage) -> None:
    agent, visitor = stage.agent, stage.visitor
    agent.keyboard.press("j")
    agent.keyboard.press("Enter")
    expect(agent.locator("#talk")).to_contain_text("How many storeys?")
    expect(agent.locator("#talk")).to_contain_text("<b>human</b>")  # as text
    expect(agent.locator("#facts")).to_contain_text("office")
    agent.locator("#take").click()
    expect(visitor.locator("#lines")).to_contain_text("Bob Builder has joined.")
    types_until_seen(agent, visitor, "Bob Builder is typing")
    agent.fill("#text", "Hello, ")
    agent.locator("#text").press_sequentially("/ho")
    expect(agent.locator("#canned")).to_contain_text("We are here from 8 to 4.")
    agent.locator("#text").press("Enter")
    expect(agent.locator("#text")).to_have_value("Hello, We are here from 8 to 4.")
    agent.locator("#text").press("Enter")
    expect(visitor.locator("li.agent")).to_contain_text("Hello, We are here from 8 to 4.")
    expect(agent.locator(".mcp-line.agent")).to_have_count(1)
    types_until_seen(visitor, agent, "is typing")
    visitor.fill("#text", "Thank you. Is 12 too high?")
    visitor.press("#text", "Enter")
    expect(agent.locator("#talk")).to_contain_text("Is 12 too high?")
    agent.fill("#note-text", "Wants to build high.")
    agent.locator("#note button").click()
    expect(agent.locator(".notes")).to_contain_text("Wants to build high.")
    agent.fill("#text", "Not at all.")
    agent.press("#text", "Enter")
    expect(visitor.locator("li.agent").last).to_contain_text("Not at all.")
    picture(agent, "inbox-talking")
    picture(visitor, "chat-with-agent")


def test_the_agent_gives_it_back_and_the_bot_goes_on(stage: Stage) -> None:
    agent, visitor = stage.agent, stage.visitor
    agent.locator("#resume").click()
    picture(agent, "inbox-resume")
    agent.locator("#resume-box button[value=ok]").click()
    expect(visitor.locator("li.bot").last).to_contain_text("How many storeys?")
    expect(visitor.locator("#status")).to_have_text("Connected")
    visitor.fill("#text", "12")
    visitor.press("#text", "Enter")
    expect(visitor.locator("li.bot").last).to_contain_text("12 storeys, noted.")
    expect(visitor.locator("li.bot a")).to_have_attribute("href", "https://example.org/permits")
    expect(visitor.locator("#again")).to_be_visible()
    expect(agent.locator("#items button")).to_have_count(0)
    picture(visitor, "chat-ended")
    visitor.locator("#again").click()
    expect(visitor.locator("li.bot").last).to_contain_text("What is it going to be?")
    assert visitor.locator("li.user").count() == 0


def test_a_cut_is_mended_on_both_sides(stage: Stage) -> None:
    visitor, agent = stage.visitor, stage.agent
    visitor.get_by_role("button", name="Talk to a person").click()
    agent.get_by_role("tab", name="Waiting").click()
    agent.locator("#items button").click()
    agent.locator("#take").click()
    expect(visitor.locator("#lines")).to_contain_text("Bob Builder has joined.")
    visitor.context.set_offline(True)
    agent.fill("#text", "Are you there?")
    agent.press("#text", "Enter")
    expect(agent.locator(".mcp-line.agent")).to_have_count(1)
    visitor.context.set_offline(False)
    expect(visitor.locator("li.agent").last).to_contain_text("Are you there?")
    visitor.reload()
    expect(visitor.locator("li.agent")).to_have_count(1)


def test_who_comes_back_with_what_opens_nothing_begins_again(stage: Stage) -> None:
    visitor = window(stage.browser, stage.base, Witness(stage.base))  # its own: a refused session is told in the console
    visitor.goto(stage.chat)
    expect(visitor.locator("#lines")).to_contain_text("What is it going to be?")
    visitor.evaluate("for (const name of Object.keys(localStorage)) if (name.endsWith('.token')) localStorage[name] = 'of another key'")
    visitor.goto(f"{stage.chat}?locale=de")  # the same start, which is another one by now
    expect(visitor.locator("#lines")).to_contain_text("Was soll es werden?")
    visitor.get_by_role("button", name="Büro").click()
    expect(visitor.locator("#lines")).to_contain_text("How many storeys?")
    visitor.reload()
    expect(visitor.locator("li.user")).to_have_count(1)


def test_it_fits_a_phone_and_speaks_german(stage: Stage) -> None:
    phone = window(stage.browser, stage.base, stage.witness, 390, 780, "de-DE")
    phone.goto(stage.chat)
    expect(phone.locator("#lines")).to_contain_text("Was soll es werden?")
    expect(phone.get_by_role("button", name="Mit einem Menschen sprechen")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(phone, "chat-phone")
    stage.agent.set_viewport_size({"width": 420, "height": 800})
    expect(stage.agent.locator("#talk")).to_be_visible()
    picture(stage.agent, "inbox-phone-talk")
    stage.agent.locator("#back").click()
    expect(stage.agent.locator("#items")).to_be_visible()
    picture(stage.agent, "inbox-phone-queue")


def test_other_sites_show_it_in_a_frame_only_when_they_are_listed(stage: Stage) -> None:
    answer = stage.visitor.request.get(stage.chat)
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'self' https://www.example.org" in policy
    assert "unsafe" not in policy
    assert "x-frame-options" not in answer.headers
    site = window(stage.browser, stage.base, stage.witness, 1000, 800)
    site.goto("/admin/login/")  # any page of another owner would do: its policy allows the script and the frame
    site.evaluate("src => { const s = document.createElement('script'); s.src = src; document.body.append(s); }", f"{stage.chat}embed.js")
    site.get_by_role("button", name="Open the chat").click()
    expect(site.frame_locator("iframe").locator("#lines")).to_contain_text("What is it going to be?")
    picture(site, "chat-embedded")
    site.keyboard.press("Escape")


def test_nothing_foreign_and_no_complaints(stage: Stage) -> None:
    assert stage.witness.foreign == []
    ours = [text for text in stage.witness.complaints if "ERR_INTERNET_DISCONNECTED" not in text]  # the cut
    assert ours == []
