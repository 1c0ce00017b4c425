"""One scan through a client that openapi-generator made (generate.sh): log in, upload, list, grade, feedback.

URL, NAME, PASSWORD and PROJECT (a number) come from the environment, the file from the command line. A refusal raises
`ApiException` with the site's words in `body`."""

import os
import sys
from pathlib import Path

from mediscan_generated import ApiApi, ApiClient, AuthApi, Configuration
from mediscan_generated.models import CredentialsRequest, FeedbackRequestRequest


def main(path: Path) -> None:
    project = os.environ["PROJECT"]
    site = Configuration(host=os.environ["URL"])
    credentials = CredentialsRequest(username=os.environ["NAME"], password=os.environ["PASSWORD"])
    site.access_token = AuthApi(ApiClient(site)).api_v1_auth_token_create(credentials).access
    api = ApiApi(ApiClient(site))

    scan = api.api_v1_images_create(project=project, file=(path.name, path.read_bytes()))
    print(f"{scan.image_id}: {'known already' if scan.duplicate else 'stored'}, hold {scan.hold!r}")

    page = api.api_v1_images_list(project=project)
    print(f"{len(page.results)} scans on the first page")

    grade = api.api_v1_grades_create(image=scan.image_id, wait=20)
    print(f"{grade.prediction}, {grade.decision}, reasons {grade.reasons}")

    body = FeedbackRequestRequest(grade=str(grade.id), correct=True, comment="sent by a generated client")
    print(f"feedback {api.api_v1_feedback_create(body).id}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
