#!/usr/bin/env python3
"""Lists what is linked into the library: a bill of materials and the licences an app has to show.

usage: sbom.py OUT [--without-gstreamer] [--locked]
Writes OUT/unspool.cdx.json (CycloneDX 1.5: every crate with its package URL, checksum, licence and what it needs) and
OUT/LICENCES.txt (the licence texts of those crates, each once). Both are made of `cargo metadata` and Cargo.lock alone, so that one
commit gives the same files. Crates that are used only by build scripts, tests or procedural macros are not in the library and
not listed. Ends with 1 when a crate states no licence.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The platforms the library is built for; what only another one needs is not linked.
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-linux-android", "armv7-linux-androideabi", "aarch64-apple-ios")
TEXTS = ("LICEN", "COPYING", "NOTICE", "UNLICENSE")


def cargo(*words: str) -> str:
    return subprocess.run(["cargo", *words], check=True, stdout=subprocess.PIPE, cwd=ROOT, text=True).stdout


def linked(options: list[str]) -> set[tuple[str, str]]:
    """Name and version of what is linked into the library on any of the platforms, with the features it is built with."""
    found = set()
    for platform in PLATFORMS:
        tree = cargo("tree", "-p", "unspool-ffi", "-e", "normal,no-proc-macro", "--target", platform, "--prefix", "none",
                     "--no-dedupe", *options)
        found |= {(row.split()[0], row.split()[1].removeprefix("v")) for row in tree.splitlines() if row.strip()}
    return found


def main() -> None:
    options = sys.argv[2:]
    if len(sys.argv) < 2 or set(options) - {"--without-gstreamer", "--locked"}:
        sys.exit("usage: sbom.py OUT [--without-gstreamer] [--locked]")
    out = pathlib.Path(sys.argv[1])
    locked = ["--locked"] if "--locked" in options else []
    inside = linked((["--no-default-features"] if "--without-gstreamer" in options else []) + locked)
    graph = json.loads(cargo("metadata", "--format-version", "1", *locked))
    packages = {package["id"]: package for package in graph["packages"] if (package["name"], package["version"]) in inside}
    checksums = {(package["name"], package["version"]): package.get("checksum")
                 for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    edges = {node["id"]: sorted(dep["pkg"] for dep in node["deps"] if dep["pkg"] in packages
                                and any(kind["kind"] is None for kind in dep["dep_kinds"]))
             for node in graph["resolve"]["nodes"] if node["id"] in packages}
    names = {key: f"pkg:cargo/{packages[key]['name']}@{packages[key]['version']}" for key in edges}

    components, texts, missing = [], {}, []
    for key in sorted(edges, key=names.get):
        package = packages[key]
        licence = (package["license"] or "").replace("/", " OR ")
        if not licence:
            missing.append(names[key])
        component = {"type": "library", "bom-ref": names[key], "name": package["name"], "version": package["version"],
                     "purl": names[key], "licenses": [{"expression": licence}]}
        checksum = checksums.get((package["name"], package["version"]))
        if checksum:
            component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if package["repository"]:
            component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        components.append(component)
        folder = pathlib.Path(package["manifest_path"]).parent
        files = [] if package["source"] is None else sorted(
            file for file in folder.iterdir() if file.is_file() and file.name.upper().startswith(TEXTS))
        for text in [file.read_text(errors="replace").strip() for file in files] or [f"(no text in the crate; it states: {licence})"]:
            if package["source"] is not None:
                digest = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
                texts.setdefault(digest, (text, []))[1].append(f"{package['name']} {package['version']} ({licence})")

    own = next(key for key in edges if packages[key]["name"] == "unspool-ffi")
    top = next(component for component in components if component["bom-ref"] == names[own])
    bom = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {**top, "name": "unspool"}},
        "components": [component for component in components if component is not top],
        "dependencies": [{"ref": names[key], "dependsOn": [names[need] for need in edges[key]]}
                         for key in sorted(edges, key=names.get)],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "unspool.cdx.json").write_text(json.dumps(bom, indent=1) + "\n")
    rule = "\n\n" + "=" * 100 + "\n\n"
    parts = [f"{chr(10).join(users)}\n\n{text}" for text, users in sorted(texts.values(), key=lambda part: part[1])]
    head = "What Unspool's library contains of others. It may be used under the licences below.\n"
    head += "UniFFI is used unchanged under the MPL-2.0; its source is on crates.io under the versions named here."
    (out / "LICENCES.txt").write_text(rule.join([head, *parts]) + "\n")
    print(f"{len(components)} crates, {len(texts)} different licence texts")
    if missing:
        sys.exit("these crates state no licence: " + ", ".join(missing))


main()
