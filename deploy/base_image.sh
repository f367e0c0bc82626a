#!/usr/bin/env bash
# Make the image localhost/python:X.Y-slim from Debian's packages and this machine's own Python, for machines that
# reach Debian but no registry of images. Root, debootstrap and buildah are needed.
set -euo pipefail
prefix=$(python3 -c 'import sys; print(sys.base_prefix)')
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata,libssl3,libffi8,libsqlite3-0,liblzma5,libbz2-1.0,zlib1g,libreadline8,libncursesw6,libuuid1,libexpat1 bookworm "$root" >/dev/null
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
cd "$prefix"
tar --exclude='site-packages/*' --exclude="lib/python$version/test" --exclude="lib/python$version/config-*" \
  --exclude='*.a' --exclude=__pycache__ -cf - lib/libpython3* "lib/python$version" include "bin/python$version" bin/python3 bin/python |
  tar -C "$root/usr/local" -xf -
chroot "$root" ldconfig
chroot "$root" "python$version" -m ensurepip >/dev/null

container=$(buildah from scratch)
buildah add -q "$container" "$root" / >/dev/null
buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 --cmd python3 "$container"
buildah commit -q --rm "$container" "localhost/python:$version-slim"
