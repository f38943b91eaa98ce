"""A person at a browser, as far as the tests need one."""

import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Error, Locator, expect

from tests.homeowner_world import HomeownerWorld

expect.set_options(timeout=15_000)
ADDRESS = {
    "First name": "Home",
    "Last name": "Owner",
    "Street and number": "12 Sunny Street",
    "City": "Springfield",
    "Zip code": "88801",
}
_SLIDES_END = """() => Promise.race([
    new Promise(resolve => setTimeout(resolve, 1000)),  // one that is paused has no end
    Promise.all(document.getAnimations().filter(one => one.effect.getComputedTiming().endTime !== Infinity)
        .map(one => one.finished.catch(() => null)))])"""


_WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
_AXE = Axe()


class Visitor:
    """One browser profile with one page open. Notes what goes wrong in the page, leaves this machine, or keeps out who
    reads it otherwise than with eyes and a mouse: by WCAG 2.2, level AA, as far as axe-core tells."""

    def __init__(self, context: BrowserContext, world: HomeownerWorld, screenshots: Path) -> None:
        self.context, self.world, self._screenshots = context, world, screenshots
        self.foreign_requests: list[str] = []
        self.script_errors: list[str] = []
        self.barriers: list[str] = []
        self.page = context.new_page()
        context.on("request", lambda request: self._note_request(request.url))
        context.on("weberror", lambda failure: self.script_errors.append(str(failure.error)))

    def open(self, address: str) -> None:
        """Go to a path of the app or to a whole address."""
        self.page.goto(address if address.startswith("http") else self.world.settings.base_url + address)

    def sign_in(self, email: str) -> None:
        """Ask for a code, read it in the mail, enter it."""
        self.ask_for_code(email)
        self.enter_code(self.world.project.mailed_code(email))
        self.sees("Signed in as")
        # The page asks for the cookie once it is drawn: who leaves it sooner than a person can has none.
        self.page.wait_for_function("() => performance.getEntriesByName(location.origin + '/session').length > 0")

    def ask_for_code(self, email: str) -> None:
        self.fill("E-mail address", email)
        self.press("Send the code")
        self.sees("We sent a code to")

    def enter_code(self, code: str) -> None:
        self.fill("Six-digit code", code)
        self.press("Sign in")

    def enter_address(self, **changes: str) -> None:
        """Fill in the form for the home; `changes` by label with underscores."""
        values: Mapping[str, str] = ADDRESS | {label.replace("_", " "): text for label, text in changes.items()}
        for label, text in values.items():
            self.fill(label, text)
        self.choose("State", "California")

    def register(self, link: str, email: str) -> None:
        """From a link to a battery that is theirs, with a new account."""
        self.open(link)
        self.sees("is genuine")
        self.sign_in(email)
        self.enter_address()
        self.press("Save the address")
        self.press("Register this battery")
        self.sees("is yours")

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_label(label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def press(self, name: str) -> None:
        """Click a button, when nothing moves or is replaced under it: a click in the middle of a run may be lost."""
        self._rests()
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def unfold(self, title: str) -> None:
        """Open what is folded, and wait until it is open."""
        self._rests()
        self.page.get_by_text(title, exact=True).first.click()
        self._rests()

    def sees(self, text: str, within_s: float = 15) -> Locator:
        """Wait until the text is on the page."""
        found = self.page.get_by_text(text).first
        expect(found).to_be_visible(timeout=within_s * 1000)
        return found

    def never_sees(self, text: str) -> None:
        """The page has settled, and the text is not on it."""
        self.settled()
        expect(self.page.get_by_text(text)).to_have_count(0)

    def settled(self) -> None:
        """Wait until the page has shown something and no run of it is under way."""
        expect(self.page.get_by_test_id("stMain").get_by_role("heading").first).to_be_visible()
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_have_count(1)

    def _rests(self) -> None:
        """Wait until no run of the page is under way and nothing slides."""
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_have_count(1)
        self.page.evaluate(_SLIDES_END)

    def seconds_to_content(self, path: str, text: str) -> float:
        """Seconds from asking for a page until `text` is there."""
        start = time.monotonic()
        self.open(path)
        self.sees(text)
        return time.monotonic() - start

    def is_wider_than_its_screen(self) -> bool:
        """Whether the page has to be moved sideways to be read."""
        script = "[document.documentElement, ...document.querySelectorAll('[data-testid=stMain]')]"
        return bool(self.page.evaluate(f"{script}.some(e => e.scrollWidth > e.clientWidth + 1)"))

    def shot(self, name: str) -> None:
        """Keep the screen as test output, and note what of it is a barrier; once it rests, or parts of it are pale."""
        try:
            if self.page.get_by_test_id("stApp").count():
                self._rests()
                expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0)  # in place of what is being loaded
            self.page.screenshot(path=self.screenshot_path(name))
            found = _AXE.run(self.page, options={"runOnly": _WCAG, "resultTypes": ["violations"]}).response
        except Error as error:
            self.script_errors.append(f"no screenshot: {error}")
            return
        for violation in found["violations"]:
            where = [f"{node['html'][:300]} ({node['failureSummary']})" for node in violation["nodes"]]
            self.barriers += [f"{name}: {violation['id']}: {each}" for each in where]

    def screenshot_path(self, name: str) -> Path:
        """Where a screen of that name is kept."""
        return self._screenshots.with_name(f"{self._screenshots.name}-{name}.png")

    def _note_request(self, url: str) -> None:
        if url.startswith(("http", "ws")) and urlsplit(url).hostname != "127.0.0.1":
            self.foreign_requests.append(url)
