"""One scan through a client that openapi-python-client made (generate.sh): log in, upload, list, grade, feedback.

URL, NAME, PASSWORD and PROJECT (a number) come from the environment, the file from the command line."""

import os
import sys
from pathlib import Path

from mediscan_client import AuthenticatedClient, Client
from mediscan_client.api.api import (
    api_v1_feedback_create,
    api_v1_grades_create,
    api_v1_images_create,
    api_v1_images_list,
)
from mediscan_client.api.auth import api_v1_auth_token_create
from mediscan_client.models import (
    CredentialsRequest,
    FeedbackRequestRequest,
    GradeRequestRequest,
    Refusal,
    UploadRequest,
)
from mediscan_client.types import File


def good(answer):
    """The answer, unless the site refused: then its words."""
    if answer is None or isinstance(answer, Refusal):
        sys.exit(f"refused: {answer}")
    return answer


def main(path: Path) -> None:
    url, project = os.environ["URL"], os.environ["PROJECT"]
    credentials = CredentialsRequest(os.environ["NAME"], os.environ["PASSWORD"])
    pair = good(api_v1_auth_token_create.sync(client=Client(url), body=credentials))
    client = AuthenticatedClient(url, pair.access, timeout=60)

    with path.open("rb") as stream:
        body = UploadRequest(project=project, file=File(stream, path.name))
        scan = good(api_v1_images_create.sync(client=client, body=body))
    print(f"{scan.image_id}: {'known already' if scan.duplicate else 'stored'}, hold {scan.hold.value!r}")

    page = good(api_v1_images_list.sync(client=client, project=project))
    print(f"{len(page.results)} scans on the first page")

    body = GradeRequestRequest(image=scan.image_id)
    grade = good(api_v1_grades_create.sync(client=client, body=body, wait=20))
    print(f"{grade.prediction}, {grade.decision}, reasons {grade.reasons}")

    body = FeedbackRequestRequest(grade=str(grade.id), correct=True, comment="sent by a generated client")
    print(f"feedback {good(api_v1_feedback_create.sync(client=client, body=body)).id}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
