"""The first words spoken to a device: unpacks this program and a job from standard input, and starts it.

Run as `python -c SOURCE FOLDER JOB`; FOLDER is the device's working folder, JOB the name of the job's own one in it.
It runs on Pythons that the rest does not, to say so: even Python 2 must be able to read it.
"""

import json
import os
import shutil
import sys
import tarfile


def receive(folder):  # type: (str) -> None
    """Unpacks a tar stream of plain files into the job's folder.

    An earlier try at this job may still be at work in it, not knowing yet that its connection is cut. It gives way to
    the process that `owner` names; the program that this one becomes keeps its number.
    """
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "owner"), "w") as owner:
        owner.write(str(os.getpid()))
    with tarfile.open(fileobj=os.fdopen(0, "rb", 0, closefd=False), mode="r|") as archive:
        for member in archive:
            path = os.path.join(folder, member.name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None, "only plain files are sent"
            with open(path + ".part", "wb") as file:
                file.write(content.read())
            os.replace(path + ".part", path)


def refuse(text):  # type: (str) -> None
    """Says in the program's own form why there will be no answer."""
    result = {"ok": False, "kind": "device", "error": text}
    sys.stdout.write("\nnas-sr-target " + json.dumps({"result": result}) + "\n")
    sys.stdout.flush()
    sys.exit(0)


if __name__ == "__main__":
    if sys.version_info < (3, 8):
        version = sys.version.split()[0]
        refuse("Python %s is there, but 3.8 or newer is needed: name one with `python:` in the profile" % version)
    base, name = sys.argv[1:]
    job_folder = os.path.join(os.path.expanduser(base), "jobs", name)
    try:
        receive(job_folder)
    except (OSError, tarfile.TarError) as error:
        shutil.rmtree(job_folder, ignore_errors=True)
        refuse("a job cannot be written to %s: %s; make room there or set `folder:` in the profile" % (base, error))
    program = os.path.join(job_folder, "program")
    os.execv(sys.executable, [sys.executable, "-u", "-B", program, job_folder])
