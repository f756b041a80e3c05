"""Takes the picture of the page that the docs show, of a real server with a real model.

Usage: page_picture.py URL OUTPUT.png [light|dark]
  URL  of `caldera serve` with SmolLM2 (script/fetch-model): the questions are ones that it can answer
"""

import sys
import time

from page_browser import Browser, find_chromium

EARLIER = (
    "Name three oceans.",
    "Give me a title for a story about a small volcano.",
    "What is the opposite of cold?",
)
QUESTION = "Write a Python function that adds two numbers, and explain it in a list."
ANSWER_SECONDS = 120


def ask(browser, text, count):
    browser.evaluate("document.querySelector('#input').focus()")
    browser.type(text)
    browser.press("Enter")
    browser.wait(
        f"document.querySelectorAll('.message').length === {count} && "
        "document.querySelector('.message:last-child').getAttribute('aria-busy') === 'false'",
        ANSWER_SECONDS,
    )


def main(url, output, scheme="light"):
    browser = Browser(find_chromium())
    try:
        browser.resize(1360, 880)
        browser.prefer(scheme)
        browser.open(url)
        browser.wait("document.querySelector('.greeting p')?.textContent")
        for text in EARLIER:
            ask(browser, text, 2)
            browser.click("#new-chat")
        browser.click("[aria-label=Memory]")
        ask(browser, QUESTION, 2)
        browser.evaluate("document.querySelector('#scroll').scrollTop = 0")
        browser.evaluate("document.activeElement.blur()")
        time.sleep(0.3)  # scroll bars and buttons fade
        browser.screenshot(output)
    finally:
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
