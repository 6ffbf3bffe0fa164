"""One question from the idea to the decision: plan it on the permit desk, start it, watch simulated users, stop it, publish the better variant."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.conftest import ENVIRONMENTS, ROOT, Witness
from tests.e2e.experiment_house import PASSWORD, TENANT, USER

HOUSE = "tests.e2e.experiment_house"
PICTURES = os.environ.get("PICTURES", "")  # a folder: keep what was seen
KEY = "a-shorter-first-question"
FACTS = "An office in England, 12 storeys, with sprinklers"


def picture(page: Page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


def traffic(server: str, users: int, seed: int) -> str:
    """Made-up users talk, in a process of their own; how many had which arm."""
    command = [sys.executable, "manage.py", "simulate_traffic", TENANT, "permit_desk", "--users", str(users), "--seed", str(seed)]
    more = ["--say", FACTS, "--leave", "0.5", "--better", "short=0.45"]
    ran = subprocess.run([*command, *more], cwd=ROOT, env=ENVIRONMENTS[server], check=True, capture_output=True, text=True, timeout=240)
    return ran.stdout.strip()


def count_elsewhere(page: Page) -> None:
    """As another person would, who presses the button."""
    form = page.locator("form", has=page.locator("#xp-count"))
    token = form.locator("[name=csrfmiddlewaretoken]").input_value()
    page.request.post(form.get_attribute("action") or "", form={"csrfmiddlewaretoken": token}, headers={"Referer": page.url})


def test_an_empty_list_says_how_to_begin(page: Page) -> None:
    page.goto("/admin/")
    page.fill("#id_username", USER)
    page.fill("#id_password", PASSWORD)
    page.click("button[type=submit]")
    page.goto("/admin/experiments/experiment/")
    expect(page.locator("#xp-none")).to_contain_text("Ask one question")
    picture(page, "experiments-none")


def test_a_metric_of_ones_own(page: Page) -> None:
    page.goto("/admin/experiments/metricdefinition/add/")
    page.fill("#id_name", "Facts complete")
    page.fill("#id_key", "facts_complete")
    page.select_option("#id_measure", "reached_state")
    page.click("button[name=_save]")
    expect(page.locator("#content")).to_contain_text("is missing")
    page.fill("#id_of", "summary")
    page.click("button[name=_save]")
    expect(page.locator("#result_list")).to_contain_text("facts_complete")


def test_the_question(page: Page) -> None:
    page.goto("/admin/experiments/experiment/")
    page.click("#xp-plan")
    page.fill("#id_name", "A shorter first question")
    page.fill("#id_hypothesis", "Fewer people leave when they need to read less.")
    expect(page.locator("#id_flow")).to_contain_text("Permit desk")
    picture(page, "experiment-question")
    page.click("#xp-next")


def test_what_differs_is_shown_as_a_difference_of_flows(page: Page) -> None:
    expect(page.locator("#variant-1")).to_contain_text("changes nothing")
    page.select_option("[name=state_1]", "intake")
    page.fill("#key_1", "short")
    page.locator("#variant-1").get_by_role("button", name="Write this state anew").click()
    state = json.loads(page.locator("[name=state]").input_value())
    state["config"]["prompts"]["building_type"]["en"] = "Residential, office, school, retail or warehouse?"
    page.fill("[name=state]", "{ no JSON")
    page.click("#xp-save")
    expect(page.locator("[role=alert]")).to_contain_text("Not JSON at line 1")
    page.fill("[name=state]", json.dumps(state))
    page.click("#xp-save")
    card = page.locator("#variant-1")
    expect(card.locator("td.old")).to_contain_text("What kind of building is it")
    expect(card.locator("td.new")).to_contain_text("Residential, office")
    expect(card.locator("td.where")).to_contain_text("building_type")
    picture(page, "experiment-differs")


def test_a_broken_variant_is_marked_where_it_is(page: Page) -> None:
    good = page.locator("#modifications_1").input_value()
    page.fill(
        "#modifications_1", '{"states": {"assess": {"transitions": [{"condition": "expression", "expression": "true", "target_state": "nowhere"}]}}}'
    )
    page.get_by_role("button", name="Save and show the difference").click()
    expect(page.locator("#variant-1 .xp-fault").first).to_contain_text("nowhere")
    expect(page.locator(".xp-steps .wrong").first).to_contain_text("What differs")
    picture(page, "experiment-differs-broken")
    page.fill("#modifications_1", good)
    page.click("#xp-next")


def test_who_takes_part(page: Page) -> None:
    page.select_option("#id_unit", "user")
    page.fill("#id_channel", "web")
    page.fill("#id_ramp_0_coverage", "90")
    page.fill("#id_ramp_0_hours", "24")
    page.fill("#id_ramp_1_coverage", "50")
    page.click("#xp-next")
    expect(page.locator(".xp-fault")).to_contain_text("does not grow")
    page.fill("#id_ramp_1_coverage", "100")
    picture(page, "experiment-who")
    page.click("#xp-next")


def test_how_many_are_needed(page: Page) -> None:
    expect(page.locator("#metrics .xp-fault")).to_contain_text("a primary metric")
    page.select_option("#id_role_facts_complete", "primary")
    page.select_option("#id_role_completed", "secondary")
    page.select_option("#id_role_handed_over", "guardrail")
    page.fill("#id_margin_handed_over", "0.1")
    page.fill("#id_baseline", "0.5")
    page.fill("#id_minimum_effect", "0.2")
    page.get_by_role("button", name="Work it out").click()
    expect(page.locator("svg[aria-label='Power by units in each arm'] .line")).to_have_count(2)
    expect(page.locator("#xp-units")).to_have_text(re.compile(r"^\d{2,4}$"))
    picture(page, "experiment-size")
    page.click("#xp-next")


def test_reviewed_validated_and_started(page: Page) -> None:
    expect(page.locator("#no-faults")).to_be_visible()
    picture(page, "experiment-review")
    page.click("#xp-validate")
    expect(page.locator("#xp-state")).to_have_text("Validated")
    page.click("#xp-start")
    expect(page.locator("#xp-state")).to_have_text("Running")
    expect(page.locator("#ramp")).to_contain_text("90 %")
    picture(page, "experiment-started")


def test_the_live_page_follows_the_traffic_by_itself(page: Page, server: str) -> None:
    shares = traffic(server, 214, 201)
    assert {part.split(": ")[0] for part in shares.split(", ")} == {f"{KEY}:control", f"{KEY}:short", "none"}
    page.click("#xp-count")
    expect(page.locator("#verdict")).to_contain_text("short is better")
    before = page.locator(".xp-cards .mcp-number").first.inner_text()
    traffic(server, 10, 2)
    count_elsewhere(page)
    expect(page.locator(".xp-cards .mcp-number").first).not_to_have_text(before)
    expect(page.locator("#forest .range")).not_to_have_count(0)
    expect(page.locator("#sample-ratio .mcp-badge")).to_have_text("Yes")
    expect(page.locator("#funnel")).to_contain_text("differs")
    expect(page.locator("#exposure path")).to_have_count(2)
    expect(page.locator("#stopping")).to_contain_text("Expected loss if the base stays")
    expect(page.locator("#guardrails")).to_contain_text("Handed to a person")
    picture(page, "experiment-live")


def test_one_click_takes_the_next_step(page: Page) -> None:
    page.click("#xp-step")
    expect(page.locator("#ramp li.now")).to_contain_text("100 %")
    expect(page.locator("#ramp li.done")).to_contain_text("90 %")


def test_paused_and_resumed(page: Page) -> None:
    page.click("#xp-pause")
    expect(page.locator("#xp-state")).to_have_text("Paused")
    page.click("#xp-resume")
    expect(page.locator("#xp-state")).to_have_text("Running")


def test_nobody_takes_part_any_more_after_the_kill_switch(page: Page, server: str) -> None:
    page.fill("#reason-stop", "enough was seen")
    page.click("#xp-stop")
    expect(page.locator("#xp-state")).to_have_text("Stopped")
    expect(page.locator("#stopped")).to_contain_text("enough was seen")
    assert traffic(server, 5, 3) == "none: 5"


def test_the_better_variant_is_published_and_the_record_is_whole(page: Page) -> None:
    page.locator("#run").get_by_role("link", name="Decide").click()
    expect(page.locator("#decision-1")).to_contain_text("enough was seen")
    picture(page, "experiment-decide")
    page.select_option("#verdict-of", "promote:short")
    page.fill("#reason", "More people come to the summary.")
    page.click("#xp-decide")
    expect(page.locator("#chain")).to_contain_text("The record is whole")
    expect(page.locator("#decision-2")).to_contain_text("More people come to the summary.")
    expect(page.locator("#decision-2 .xp-digest code")).to_have_count(2)
    picture(page, "experiment-decided")
    page.get_by_role("link", name="Versions of the flow").click()
    expect(page.locator("#versions tbody tr").first).to_contain_text(f"experiment {KEY}: short")
    expect(page.locator("#versions tbody tr").first.locator(".mcp-badge.success")).to_have_text("production")
    page.goto("/admin/experiments/experiment/")
    expect(page.locator("#result_list")).to_contain_text("A shorter first question")
    picture(page, "experiments")


def test_nothing_was_wrong(witness: Witness) -> None:
    assert witness.foreign == []
    assert witness.complaints == []
