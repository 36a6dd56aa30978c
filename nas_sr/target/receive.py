"""The first words spoken to a device: unpacks this program and a job from standard input, and starts it.

Run as `python -c SOURCE FOLDER JOB`; FOLDER is the device's working folder, JOB the name of the job's own one in it.
It runs on Pythons that the rest does not, to say so.
"""

import json
import os
import sys
import tarfile


def receive(base: str, name: str) -> str:
    """Unpacks a tar stream of plain files into the job's folder; the folder."""
    folder = os.path.join(os.path.expanduser(base), "jobs", name)
    os.makedirs(os.path.join(folder, "program", "backends"), exist_ok=True)
    with tarfile.open(fileobj=os.fdopen(0, "rb", 0, closefd=False), mode="r|") as archive:
        for member in archive:
            path = os.path.join(folder, member.name)
            content = archive.extractfile(member)
            assert content is not None, "only plain files are sent"
            with open(path + ".part", "wb") as file:
                file.write(content.read())
            os.replace(path + ".part", path)
    return folder


def refuse(text: str) -> None:
    """Says in the program's own form why there will be no answer."""
    result = {"ok": False, "kind": "device", "error": text}
    sys.stdout.write("nas-sr-target " + json.dumps({"result": result}) + "\n")
    sys.stdout.flush()
    sys.exit(0)


if __name__ == "__main__":
    if sys.version_info < (3, 8):
        refuse("Python %s is there, 3.8 or newer is needed; name one with `python:` in the profile" % sys.version[:6])
    try:
        job_folder = receive(*sys.argv[1:3])
    except (OSError, tarfile.TarError) as error:
        refuse("the job cannot be written to %s: %s" % (sys.argv[1], error))
    program = os.path.join(job_folder, "program")
    os.execv(sys.executable, [sys.executable, "-u", "-B", program, job_folder])
