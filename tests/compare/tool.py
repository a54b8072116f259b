"""What the tools of this folder that measure for long have in common: words of their command lines, and that they leave
nothing behind, whatever ends them."""

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile

from harness import Failure

FILES_MAX = 65536


def numbers(text):
    return sorted({int(float(number)) for number in text.split(",")})


def words(*known):
    def parse(text):
        chosen = text.split(",")
        if not set(chosen) <= set(known):
            raise argparse.ArgumentTypeError(f"of {', '.join(known)}")
        return [word for word in known if word in chosen]
    return parse


def raise_file_limit():
    """For the nodes and the clients, which inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if most == resource.RLIM_INFINITY else min(FILES_MAX, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def run(name, place, work):
    """The exit status of work(), during which all temporary folders are in one, at `place`, that is gone after it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # cleans up on the way
    raise_file_limit()
    if place:
        os.makedirs(place, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="vesper-compare-", dir=place)
    tempfile.tempdir = folder
    try:
        return work()
    except Failure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ended by Ctrl-C", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
