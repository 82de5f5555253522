# Orbit: put an operating system on a room of machines.
# `make help` lists the verbs; `make demo` and `make test` need nothing else.

SHELL    := /bin/bash
OUT      ?= out
FIRMWARE ?= bios
GO       ?= go
# The usual place of a Go that is not in the PATH.
export PATH := $(PATH):/usr/local/go/bin

GOTESTSUM = $(GO) run gotest.tools/gotestsum@v1.13.0

# Debian packages by what needs them. `make deps` installs what is missing.
DEBS_KERNEL    = linux-source-6.12 build-essential flex bison bc libelf-dev libssl-dev xz-utils kmod
DEBS_INITRAMFS = xz-utils systemd-boot-efi
DEBS_RACK      = qemu-system-x86 qemu-utils ovmf ipxe ipxe-qemu seabios iproute2 dnsmasq-base librsvg2-bin
DEBS_DEBIAN    = zstd mmdebstrap uidmap e2fsprogs dosfstools mtools grub-pc-bin grub-efi-amd64-bin grub-common
DEBS_TEST      = fdisk gdisk xfsprogs btrfs-progs ntfs-3g exfatprogs exfat-fuse lvm2 partclone minisign tftp-hpa curl pigz lbzip2 bzip2 gzip util-linux mount openssl udpcast nftables python3-minimal lshw dmidecode pciutils usbutils lldpd swtpm swtpm-tools openipmi ipmitool tpm2-tools cryptsetup-bin f2fs-tools erofs-utils squashfs-tools udftools genisoimage bcache-tools pci.ids usb.ids
DEBS           = $(DEBS_KERNEL) $(DEBS_INITRAMFS) $(DEBS_RACK) $(DEBS_DEBIAN) $(DEBS_TEST)

.DEFAULT_GOAL := help
.PHONY: help demo test unit e2e artifacts kernel initramfs debian bench bench-room fuzz lint deps go clean

help: ## list the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'
	@echo
	@echo '  make demo FIRMWARE=uefi   the same through OVMF instead of SeaBIOS'
	@echo '  OUT=DIR                   where artifacts go (default out)'
	@echo '  ORBIT_CACHE=DIR           where the kernel and the Debian image are kept (default ~/.cache/orbit)'

demo: deps artifacts debian ## watch a machine with an empty disk come up as Debian
	$(GO) run ./qemu/demo -artifacts $(OUT) -firmware $(FIRMWARE) -o $(OUT)/demo

test: deps lint artifacts debian ## every test: units, then machines booted in the virtual rack
	@mkdir -p $(OUT)
	ORBIT_SLOW=1 ORBIT_OUT=$(abspath $(OUT)) $(GOTESTSUM) --format pkgname-and-test-fails --jsonfile $(OUT)/test.json -- -p 1 -timeout 55m ./...
	@echo; echo "Tests that took more than 5 s, the machines that booted among them:"
	@$(GOTESTSUM) tool slowest --threshold 5s --jsonfile $(OUT)/test.json

unit: deps ## only the tests that boot no machine
	$(GO) test -short ./...

e2e: deps artifacts debian ## only the tests that boot machines
	ORBIT_OUT=$(abspath $(OUT)) $(GO) test -v -count=1 -timeout 50m ./qemu/...

artifacts: kernel initramfs ## out/: vmlinuz, initramfs, EFI image, static commands, SHA256SUMS, manifest.json

kernel: go ## out/vmlinuz, cached by the hash of source and fragments
	$(GO) run ./kernel -o $(OUT)/vmlinuz

initramfs: kernel ## the userland, and with the kernel everything a head serves
	$(GO) run ./initramfs artifacts -kernel $(OUT)/vmlinuz -o $(OUT)

debian: go ## out/debian-12.img.zst: the Debian 12 that demo and tests install
	$(GO) run ./qemu/debian -o $(OUT)

bench: deps debian ## savenode and imagenode side by side with partclone, qemu-img, dd and openssl
	$(GO) run ./bench -debian $(OUT)/debian-12.img

bench-room: deps ## a room of 1 to 32 clients: by multicast, by HTTP and by udpcast
	$(GO) run ./bench/room

fuzz: go ## every fuzzer for FUZZTIME (default 60s) each
	@set -e; for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(or $(FUZZTIME),60s) $$p; \
	  done; done

lint: go ## gofmt and go vet
	@bad=$$(gofmt -l bench cmds initramfs kernel pkg qemu | grep -v '/_'); test -z "$$bad" || { echo "gofmt: $$bad"; exit 1; }
	$(GO) vet ./...

deps: go ## install the Debian packages that are missing
	@missing=$$(for p in $(DEBS); do dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	test -z "$$missing" && exit 0; \
	echo "missing Debian packages:" $$missing; \
	sudo=; if [ $$(id -u) != 0 ]; then sudo=sudo; \
	  if [ -t 0 ]; then read -r -p "install them with sudo apt-get? [Y/n] " a; case $$a in [nN]*) exit 1;; esac; fi; fi; \
	$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $$missing >$${TMPDIR:-/tmp}/orbit-apt.log 2>&1 \
	  || { tail -20 $${TMPDIR:-/tmp}/orbit-apt.log; exit 1; }

go: # a Go new enough to fetch the one go.mod names
	@v=$$($(GO) env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p'); \
	if [ "$${v:-0}" -lt 21 ]; then \
	  echo "Go 1.21 or newer is needed (found: $$($(GO) env GOVERSION 2>/dev/null || echo none)). One line to it:"; \
	  echo '  curl -L https://go.dev/dl/go1.26.8.linux-amd64.tar.gz | sudo tar -C /usr/local -xz && export PATH=$$PATH:/usr/local/go/bin'; \
	  exit 1; fi

clean: ## remove out/ (the cache stays)
	rm -rf $(OUT)
