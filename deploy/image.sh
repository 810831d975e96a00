#!/bin/sh
# Collects what the image contains, for deploy/Dockerfile: the installed application in FOLDER without what the bundle has already,
# Node, and the libraries that it loads.
#
#   sh image.sh FOLDER TARGET
set -eu
folder=$1 target=$2
mkdir -p "$target/app/packages/http" "$target/usr/local/bin" "$target/tmp" "$target/etc"
chmod 1777 "$target/tmp"

# The bundle contains `effect`. Types, sources and source maps are for developers.
cd "$folder"
rm -rf node_modules/.pnpm/effect@*
find node_modules -type f \( -name "*.ts" -o -name "*.mts" -o -name "*.cts" -o -name "*.map" -o -name "*.md" \) -delete
cp -a node_modules "$target/app/"
cd packages/http
cp -a package.json LICENSE bundle node_modules "$target/app/packages/http/"
# The page, which the bundle reads.
mkdir "$target/app/packages/http/src"
cp -a src/dashboard "$target/app/packages/http/src/"

node=$(command -v node)
cp -L "$node" "$target/usr/local/bin/node"
ldd "$node" | grep -o '/[^ ]*' | while read -r library; do cp -L --parents "$library" "$target"; done
# Names of users and hosts.
cp -L /etc/passwd /etc/group /etc/nsswitch.conf "$target/etc/"
