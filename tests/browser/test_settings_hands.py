"""Settings by hand: a webhook that is read and sent again, a second factor, a picture, and signing in from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pyotp
from PIL import Image
from playwright.sync_api import Browser, expect

from browser import kit
from browser.kit import PASSWORD, LiveHub
from browser.workshop import commit, create, open_workshop
from openhood.testing.processes import find_free_port
from openhood.testing.receiver import start_receiver


def test_a_delivery_is_read_and_sent_again(chromium: Browser, workshop: LiveHub) -> None:
    with (
        start_receiver() as receiver,
        kit.visit(chromium, workshop, "noor") as visitor,
        workshop.client("noor") as noor,
    ):
        create(noor, "told")
        receiver.answer_with(503)
        page = visitor.go("/settings/webhooks")
        page.get_by_label("Address").fill(f"{receiver.url}/hook")
        page.get_by_label("What it is told of").fill("noor/told")
        page.get_by_label("Secret").fill("s3cret")
        boxes = page.get_by_role("group", name="Kinds of events").get_by_role("checkbox")
        for at in range(boxes.count()):
            boxes.nth(at).check()
        page.get_by_role("button", name="Make the webhook").click()
        expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
        address = page.url.removeprefix(workshop.url).partition("?")[0]
        commit(noor, "/api/models/noor/told", {"a.txt": b"a"})
        came = receiver.wait_for(1)[0]
        assert came.headers["x-webhook-secret"] == "s3cret"
        log = page.locator("section", has=page.get_by_role("heading", name="Deliveries"))
        for _ in range(60):
            visitor.go(address)
            if log.get_by_text("503").count():
                break
            page.wait_for_timeout(200)
        log.locator("tr", has_text="503").first.get_by_role("link").click()
        expect(page.locator("#payload")).to_contain_text("noor/told")
        expect(page.locator("main dl.pairs")).to_contain_text("503")
        receiver.answer_with(200)
        before = len(receiver.received)
        page.get_by_role("button", name="Send it again").click()
        again = receiver.wait_for(before + 1)[before]
        assert again.json["repo"]["name"] == "noor/told"
        visitor.go(address)
        expect(log).to_contain_text("sent again")
        for _ in range(60):
            visitor.go(address)
            if log.locator("tr", has_text="sent again").get_by_text("200").count():
                break
            page.wait_for_timeout(200)
        expect(log.locator("tr", has_text="sent again").first).to_contain_text("200")
        assert visitor.watch.take() == []


def test_a_second_factor_is_set_up_used_and_taken_away(chromium: Browser, workshop: LiveHub) -> None:
    # All other sessions of hers end with it.
    with kit.visit(chromium, workshop) as visitor:
        page = visitor.go("/login?next=/settings/second-factor")
        page.get_by_label("User name or e-mail address").fill("pilar")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Set it up").click()
        picture = page.locator("figure.qr svg")
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] >= 120, "a telephone must be able to read it"
        secret = page.locator("figure.qr ~ p code").first.inner_text()
        totp = pyotp.TOTP(secret.replace(" ", ""))
        page.get_by_label("Code").fill("000000" if totp.now() != "000000" else "111111")
        page.get_by_role("button", name="Switch on").click()
        expect(page.get_by_role("alert")).to_be_visible()
        # The same secret still stands: nobody has to begin anew because of a slip.
        expect(page.locator("figure.qr ~ p code").first).to_have_text(secret)
        page.get_by_label("Code").fill(totp.now())
        page.get_by_role("button", name="Switch on").click()
        codes = page.locator("#recovery").inner_text().split()
        assert len(codes) >= 8
        visitor.go("/settings/second-factor")
        assert codes[0] not in page.content()
        page.get_by_label("Menu of pilar").click()
        page.get_by_role("button", name="Sign out").click()
        visitor.go("/login?next=/settings/second-factor")
        page.get_by_label("User name or e-mail address").fill("pilar")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        code = page.get_by_label("Code of your authenticator")
        expect(code).to_be_focused()
        code.fill(codes[0])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="It is on")).to_be_visible()
        page.locator("#code-off").fill(codes[1])
        page.get_by_role("button", name="Switch off").click()
        expect(page.get_by_role("heading", name="It is off")).to_be_visible()


def test_a_picture_is_given_and_taken_away(chromium: Browser, workshop: LiveHub, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (200, 30, 60)).save(tmp_path / "me.png")
    (tmp_path / "not.png").write_text("no picture")
    with kit.visit(chromium, workshop, "omar") as visitor:
        page = visitor.go("/settings/account")
        before = page.locator(".picture img").get_attribute("src")
        field = page.locator("#file")
        field.set_input_files(tmp_path / "not.png")
        page.get_by_role("button", name="Use this picture").click()
        expect(page.get_by_role("alert")).to_be_visible()
        visitor.watch.take()  # a refused form is an error to the console
        field.set_input_files(tmp_path / "me.png")
        page.get_by_role("button", name="Use this picture").click()
        expect(page.locator(".picture img")).not_to_have_attribute("src", before or "")
        shown = page.locator(".picture img").evaluate("image => image.complete && image.naturalWidth > 0")
        assert shown
        menu = page.get_by_label("Menu of omar").locator("img")
        assert menu.get_attribute("src") == page.locator(".picture img").get_attribute("src")
        page.get_by_role("button", name="Take it away").click()
        expect(page.get_by_role("button", name="Take it away")).to_have_count(0)
        expect(page.locator(".picture img")).to_have_attribute("src", before or "")
        assert visitor.watch.take() == []


def test_somebody_signs_in_through_another_hub(chromium: Browser, workshop: LiveHub) -> None:
    port = find_free_port()
    # Cookies know no ports: the two hubs go by two names.
    provider = workshop.server.url
    site = f"http://localhost:{port}"
    with workshop.client("lila") as lila:
        body = {"name": "The other hub", "redirectUris": [f"{site}/sso/corp/callback"]}
        made = lila.post("/api/settings/oauth-apps", json=body).json()
    env = {
        "OPENHOOD_SSO_ISSUER": provider, "OPENHOOD_SSO_PROVIDER": "corp", "OPENHOOD_SSO_LABEL": "Corp & Co",
        "OPENHOOD_SSO_CLIENT_ID": made["clientId"], "OPENHOOD_SSO_CLIENT_SECRET": made["clientSecret"],
    }  # fmt: skip
    with open_workshop(env, people=(), port=port) as live, kit.visit(chromium, live) as visitor:
        page = visitor.go("/login?next=/settings/tokens")
        page.get_by_role("link", name="Sign in with Corp & Co").click()
        expect(page).to_have_url(re.compile(rf"^{re.escape(provider)}/login"))
        page.get_by_label("User name or e-mail address").fill("lila")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Sign in to The other hub?")).to_be_visible()
        page.get_by_role("button", name="Refuse").click()
        expect(page).to_have_url(re.compile(rf"^{re.escape(site)}/"))
        expect(page.get_by_role("alert")).to_be_visible()
        visitor.go("/login?next=/settings/tokens")
        page.get_by_role("link", name="Sign in with Corp & Co").click()
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url(f"{site}/settings/tokens")
        expect(page.get_by_label("Menu of lila")).to_be_visible()
