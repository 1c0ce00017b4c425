"""Nothing is told to whom it is not meant for, and nothing is forged in what is kept."""

import re
import statistics
import time

import requests

from benchmarks._security import PASSWORD, PATIENCE_S, Skipped, World, check, must

ROUNDS = 8
CHANGE = """
from mediscan_site.core.models import User
from mediscan_site.core.services import set_password
set_password(actor=None, user=User.objects.get(username="robot"), password="another long sentence 7")
"""
# Rounds of a busy machine differ by more than this; a mail server that is asked while the client waits takes longer.
TOLD_S = 0.1


@check(
    "reset.enumeration",
    "password resets for known and unknown addresses, with a mail server that takes its time",
    "no difference",
)
def reset(world: World) -> str:
    seen: dict[str, list[tuple[int, str, float]]] = {"author@hospital.example": [], "nobody@hospital.example": []}
    for _ in range(ROUNDS):
        for address, rows in seen.items():
            rows.append(_asked(world, address))
    (known, unknown) = seen.values()
    must({row[:2] for row in known} == {row[:2] for row in unknown}, f"{known[0][:2]} and {unknown[0][:2]}")
    slower = statistics.median(row[2] for row in known) - statistics.median(row[2] for row in unknown)
    must(abs(slower) < TOLD_S, f"a known address takes {slower * 1000:.0f} ms longer")
    return f"{slower * 1000:+.0f} ms"


def _asked(world: World, address: str) -> tuple[int, str, float]:
    session, url = requests.Session(), f"{world.place.root}/password-reset/"
    page = session.get(url, timeout=PATIENCE_S)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    form = {"email": address, "csrfmiddlewaretoken": token[1] if token else ""}
    began = time.monotonic()
    answer = session.post(url, data=form, timeout=PATIENCE_S, allow_redirects=False)
    return answer.status_code, answer.headers.get("Location", ""), time.monotonic() - began


@check(
    "patients.search",
    "patient numbers tried by a member without the right to re-identify",
    "no number can be told from another",
)
def patient_numbers(world: World) -> str:
    person = world.person("author")
    for path in (f"images/?project={world.project}&patient={{}}", "images/?search={}", "/scans/?patient={}"):
        known, unknown = (person.call("GET", path.format(number)) for number in ("MRN-00001", "MRN-99999"))
        must(known.status_code == unknown.status_code, f"{path}: {known.status_code} and {unknown.status_code}")
        if known.ok:
            must(known.json() == unknown.json(), f"{path}: a known number answers otherwise")
    return "3 places"


@check(
    "tokens.scopes",
    "a service token for reading, and one after its account's password changed",
    "it reads, and no more; then it ends",
)
def scopes(world: World) -> str:
    done = world.place.manage("create_user", "robot", MEDISCAN_PASSWORD=PASSWORD)
    must(done.returncode == 0, done.stderr)
    boss, robot = world.person("boss"), world.person("robot")
    boss.json("POST", f"projects/{world.project}/members/", json={"user": "robot"})
    me = robot.json("GET", "users/me/")["id"]
    issued = robot.json("POST", f"users/{me}/tokens/", json={"name": "reader", "scopes": ["read"]})

    def by_token(method: str, path: str, body: dict[str, object] | None = None) -> int:
        headers = {"Authorization": f"Token {issued['token']}"}
        return requests.request(
            method, f"{world.place.root}/api/v1/{path}", json=body, headers=headers, timeout=PATIENCE_S
        ).status_code

    must(by_token("GET", f"images/{world.scans[0]}/") == requests.codes.ok, "it cannot read")
    calls = {
        "label": ("POST", "labels/", {"image": world.scans[0], "label": "NORMAL"}),
        "make a token": ("POST", f"users/{me}/tokens/", {"name": "another", "scopes": ["read"]}),
        "change a scan": ("PATCH", f"images/{world.scans[0]}/", {"modality": "CT"}),
    }
    may = [name for name, call in calls.items() if by_token(*call) != requests.codes.forbidden]
    changed = world.python(CHANGE)
    must(changed.returncode == 0, changed.stderr[-300:])
    after = by_token("GET", f"images/{world.scans[0]}/")
    must(not may, f"a token for reading may {', '.join(may)}")
    must(after == requests.codes.unauthorized, f"after the password changed: {after}")
    return "3 calls refused, ended with the password"


SQL = "from django.db import connection\nc = connection.cursor()\n"


COPY = """
import uuid
from django.db import connection
from mediscan_site.core.models import AuditEvent
fields = [field for field in AuditEvent._meta.concrete_fields if field.column != "id"]
row = AuditEvent.objects.order_by("id").values_list(*[field.attname for field in fields]).first()
given = {field.column: field.get_db_prep_save(value, connection) for field, value in zip(fields, row)}
given["action"] = "label.create"
if "uid" in given:
    given["uid"] = AuditEvent._meta.get_field("uid").get_db_prep_save(uuid.uuid4(), connection)
names = ", ".join(map(connection.ops.quote_name, given))
marks = ", ".join(["%s"] * len(given))
connection.cursor().execute(f"INSERT INTO core_auditevent ({names}) VALUES ({marks})", list(given.values()))
"""


def _verified(world: World) -> int:
    # The sealer runs each second.
    time.sleep(4)
    return world.place.manage("verify_audit").returncode


@check("audit.whole", "the trail as the checks have left it", "verify_audit finds it whole")
def trail(world: World) -> str:
    done = world.place.manage("verify_audit")
    must(done.returncode == 0, f"{done.stdout[-300:]} {done.stderr[-300:]}")
    return done.stdout.strip().splitlines()[-1][:60]


@check("audit.edited", "an event changed, and a seal deleted, by SQL", "the database refuses", spoils=True)
def edited(world: World) -> str:
    first = "(SELECT * FROM (SELECT MIN(id) FROM core_auditevent) x)"
    words = [f"UPDATE core_auditevent SET action = 'scan.view' WHERE id = {first}"]  # noqa: S608 -- our own words
    words += [f"DELETE FROM core_auditevent WHERE id = {first}", "UPDATE core_auditseal SET hash = '0' WHERE seq = 2"]  # noqa: S608
    for statement in words:
        done = world.python(f"{SQL}c.execute({statement!r})")
        must(done.returncode, f"it was done: {statement[:40]}")
    return f"{len(words)} statements"


@check("audit.inserted", "an event that nobody wrote through the site", "verify_audit finds it", spoils=True)
def inserted(world: World) -> str:
    if _verified(world):
        raise Skipped("the trail was changed by the check before")
    # A copy of a true event with another action: all that somebody with the database's password has.
    done = world.python(COPY)
    if done.returncode:
        must(
            "Error" in done.stderr and "refus" in done.stderr.lower(),
            f"the insertion failed for another reason: {done.stderr[-300:]}",
        )
        return "refused by the database"
    must(_verified(world) == 1, "sealed and found whole")
    return "found"
