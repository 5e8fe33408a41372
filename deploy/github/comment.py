"""Write the difference as a comment on a pull request, in place of the one of an earlier run.

A step of action.yml; standard library only. Reads GH_TOKEN, GITHUB_REPOSITORY, NUMBER, COMMENT (a
file) and GITHUB_API_URL. GitHub REST API 2022-11-28, "Issue comments".
"""

# ruff: noqa: INP001 - a script, in no package
import json
import os
import re
import sys
import urllib.error
import urllib.request
from typing import Any

MARK = "<!-- kapi diff -->"
"""Begins the comments of this step; GitHub does not show it."""
MOST_PAGES = 30


def ask(method: str, path: str, body: dict[str, str] | None = None) -> tuple[Any, str]:
    """The answer as JSON, and the path of the next page."""
    base = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {os.environ['GH_TOKEN']}",
        "Content-Type": "application/json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    data = json.dumps(body).encode() if body else None
    url = f"{base}{path}"
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - of GitHub
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        link = re.search(r'<([^>]+)>;\s*rel="next"', answer.headers.get("Link", ""))
        return json.load(answer), link[1].removeprefix(base) if link else ""


def earlier(comments: str) -> int:
    """The number of the comment of an earlier run; 0 if there is none."""
    path = f"{comments}?per_page=100"
    for _ in range(MOST_PAGES):
        page, path = ask("GET", path)
        for item in page:
            if item["body"].startswith(MARK) and item["user"]["type"] == "Bot":
                return int(item["id"])
        if not path.startswith("/"):
            break
    return 0


def main() -> None:
    repository = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    comments = f"{repository}/{int(os.environ['NUMBER'])}/comments"
    with open(os.environ["COMMENT"], encoding="utf-8") as file:  # noqa: PTH123
        body = {"body": f"{MARK}\n{file.read()}"}
    number = earlier(comments)
    if number:
        ask("PATCH", f"{repository}/comments/{number}", body)
    else:
        ask("POST", comments, body)


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        hint = "The job needs the permission pull-requests: write."
        sys.exit(f"::error::GitHub answered {error.code} to the comment. {hint}")
    except OSError as error:
        sys.exit(f"::error::the comment was not written: {error}")
