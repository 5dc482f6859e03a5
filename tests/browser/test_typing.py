"""What pages do while somebody types: names of people are offered, lists change, and one step back is one question back."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from browser import kit
from browser.kit import LiveHub


def test_people_are_offered_after_an_at_sign(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, "ada") as visitor:
        page = visitor.go("/fjord-labs/fjord-tiny-lm/discussions/1")
        area = page.locator("#text")
        area.press_sequentially("Hello @ma")
        offered = page.locator(".people-found [role=option]")
        expect(offered).to_have_text([re.compile("mateo")])
        expect(area).to_have_attribute("aria-activedescendant", offered.get_attribute("id") or "none")
        page.keyboard.press("Enter")
        expect(area).to_have_value("Hello @mateo ")
        expect(offered).to_have_count(0)
        area.press_sequentially("and ada@am")
        expect(area).to_have_value("Hello @mateo and ada@am")
        expect(offered).to_have_count(0)  # an address of mail calls nobody


def test_going_back_after_typing_leads_to_the_question_before(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, None) as visitor:
        page = visitor.go("/models")
        before = page.evaluate("history.length")
        search = page.locator("#search")
        for typed in ("fj", "fjo", "fjord"):
            search.fill(typed)
            expect(page).to_have_url(re.compile(rf"search={typed}$"))
        assert page.evaluate("history.length") == before + 1
        page.locator("#sort").select_option("likes")
        expect(page).to_have_url(re.compile("sort=likes"))
        search.focus()
        page.go_back()
        expect(page).to_have_url(re.compile(r"/models\?search=fjord$"))
        page.go_back()
        expect(page).to_have_url(re.compile(r"/models$"))
        expect(search).to_have_value("")


def test_a_dataset_shows_its_first_rows(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, None) as visitor:
        page = visitor.go("/datasets/fjord-labs/harbour-reports")
        rows = page.locator(".rows-preview tbody tr")
        expect(rows).to_have_count(8, timeout=60_000)


def test_programs_for_a_revision_are_open_at_once(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, None) as visitor:
        page = visitor.go("/fjord-labs/fjord-tiny-lm/tree/v1.0")
        page.get_by_text("Get", exact=True).click()
        page.get_by_role("link", name="With a library").click()
        expect(page.locator("#use-1")).to_contain_text('revision="v1.0"')
        expect(page.locator("#use-1")).to_be_visible()
