#!/usr/bin/env python3
"""The golden sets as archives, and back.

    pack.py pack KAFKA DAMAGE REPLICAS SCRIPTS    the four set folders -> archives here, and SHA256SUMS.zst
    pack.py unpack TARGET                         the archives -> TARGET/kafka, TARGET/damage, TARGET/replicas, TARGET/scripts
    pack.py check                                 is every file in the archives as SHA256SUMS.zst says, none more, none less?

Packing again gives the same archives: names sorted, no times, owners or modes. Needs Python 3.9 and zstd 1.5.
"""
import hashlib, io, os, shutil, subprocess, sys, tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
SUMS = os.path.join(HERE, "SHA256SUMS.zst")
SETS = ("kafka", "damage", "replicas", "scripts")
# Of a set, what stays beside its archives as plain files.
PLAIN = {"README.md", "make", "check.py", "manifest.json", "cases.tsv", "marker-and-elr.json"}


def zstd(*args, data):
    return subprocess.run(["zstd", "-q", "-c", *args], input=data, stdout=subprocess.PIPE, check=True).stdout


def files(top):
    found = [os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs]
    return sorted(os.path.relpath(f, top) for f in found)


def archives(name, top):
    """Archive -> folders of the set that it holds. One a folder; the damage cases one a topic, because together they are small; the
    scripts are one, and have no folders."""
    if name == "scripts":
        return {os.path.join(HERE, name, "scripts.tar.zst"): ""}
    folders = sorted(f for f in os.listdir(top) if f not in PLAIN)
    if name == "damage":
        folders.remove("cases")
        folders += ["cases/" + topic for topic in sorted(os.listdir(os.path.join(top, "cases")))]
    return {os.path.join(HERE, name, os.path.basename(f) + ".tar.zst"): f for f in folders}


def write(archive, top, folder):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in files(os.path.join(top, folder)):
            path = os.path.join(folder, path)
            if path in PLAIN:
                continue
            with open(os.path.join(top, path), "rb") as f:
                data = f.read()
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
            yield path, data
    os.makedirs(os.path.dirname(archive), exist_ok=True)
    with open(archive, "wb") as f:
        f.write(zstd("-19", "--single-thread", data=out.getvalue()))


def read(archive):
    with open(archive, "rb") as f:
        data = zstd("-d", data=f.read())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            yield member.name, tar.extractfile(member).read()


def stored():
    return [os.path.join(HERE, f) for f in files(HERE) if f.endswith(".tar.zst")]


def line(archive, path, data):
    name = os.path.basename(os.path.dirname(archive))
    return "%s  %s/%s\n" % (hashlib.sha256(data).hexdigest(), name, path)


def pack(tops):
    for old in stored():
        os.remove(old)
    sums = []
    for name, top in zip(SETS, tops):
        for archive, folder in archives(name, top).items():
            sums += [line(archive, path, data) for path, data in write(archive, top, folder)]
    with open(SUMS, "wb") as f:
        f.write(zstd("-19", "--single-thread", data="".join(sorted(sums, key=lambda s: s[66:])).encode()))
    print("%d files in %d archives" % (len(sums), len(stored())))


def unpack(target):
    for archive in stored():
        name = os.path.basename(os.path.dirname(archive))
        for path, data in read(archive):
            path = os.path.join(target, name, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(data)
        for plain in PLAIN & set(os.listdir(os.path.join(HERE, name))):
            at, to = os.path.join(HERE, name, plain), os.path.join(target, name, plain)
            if os.path.isdir(at):
                shutil.copytree(at, to, dirs_exist_ok=True)
            else:
                shutil.copyfile(at, to)


def check():
    found = {line(archive, path, data) for archive in stored() for path, data in read(archive)}
    with open(SUMS, "rb") as f:
        listed = set(zstd("-d", data=f.read()).decode().splitlines(keepends=True))
    for l in sorted(found ^ listed, key=lambda s: s[66:]):
        print("not in the list:" if l in found else "not in the archives:", l, end="")
    print("%d files, %d differ" % (len(listed), len(found ^ listed)))
    return 1 if found != listed else 0


if __name__ == "__main__":
    a = sys.argv[1:]
    if len(a) == 1 + len(SETS) and a[0] == "pack":
        pack(a[1:])
    elif len(a) == 2 and a[0] == "unpack":
        unpack(a[1])
    elif a == ["check"]:
        sys.exit(check())
    else:
        sys.exit(__doc__)
