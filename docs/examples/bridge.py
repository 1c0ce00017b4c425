#!/usr/bin/env python3
"""Brings DICOM files from Orthanc, or from any DICOMweb server, to MediScan. Needs Python 3.11 and nothing else.

    bridge.py orthanc                                 follow the changes of an Orthanc, for as long as it runs
    bridge.py orthanc --once                          what is new, then end
    bridge.py dicomweb 'ModalitiesInStudy=CR&...'     fetch what a search finds (QIDO-RS), once

Set by the environment:
    MEDISCAN_URL, MEDISCAN_TOKEN (a service token with the scopes read and upload), MEDISCAN_PROJECT (its number)
    SOURCE_URL (of Orthanc, or the root of DICOMweb), SOURCE_USER and SOURCE_PASSWORD if it asks for them
    STATE_FILE (orthanc only: where to go on after a restart)
and where needed:
    MODALITIES (such as CR,DX; empty: all), SPLIT_FRAMES (1: each frame of a multi-frame file becomes a scan)
    ID_KEY (a secret: external_id is then a keyed digest), THREADS (4), BATCH (20: files that travel as one ZIP),
    TIMEOUT_S (60: silence of a server that ends a request), PATIENCE_S (600: how long --once and dicomweb wait for a server that
    is away)

It ends with a line of counts, and with status 1 when something that could be a scan did not come in.
"""

import argparse
import logging
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from mediscan_bridge.dicomweb import Dicomweb
from mediscan_bridge.orthanc import orthanc
from mediscan_bridge.running import Failed, Over, Refused, Report

log = logging.getLogger("bridge")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("orthanc").add_argument("--once", action="store_true")
    commands.add_parser("dicomweb").add_argument("query")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # To be told to end is how a service ends, and nothing else.
    told = 0 if chosen.command == "orthanc" and not chosen.once else 128 + signal.SIGTERM
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(told))
    report, ended = Report(), 0
    try:
        if chosen.command == "orthanc":
            orthanc(report, once=chosen.once)
        else:
            Dicomweb(report).run(chosen.query)
    except (Over, Failed, Refused) as error:
        log.error("Ended early. %s", error)
        ended = 1
    except KeyboardInterrupt:
        ended = 130
    finally:
        print(report, flush=True)  # noqa: T201
    return ended or int(report.is_missing())


if __name__ == "__main__":
    sys.exit(main())
