package manage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// software makes a TPM with certificates of its endorsement keys, and returns
// the directories of its state and of the certificates.
func software(t *testing.T) (state, certs string) {
	t.Helper()
	for _, tool := range []string{"swtpm", "swtpm_setup", "swtpm_localca"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no software TPM (packages swtpm and swtpm-tools): ", err)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"setup.conf":      "create_certs_tool=swtpm_localca\ncreate_certs_tool_config=%[1]s/localca.conf\ncreate_certs_tool_options=%[1]s/localca.options\n",
		"localca.conf":    "statedir=%[1]s/ca\nsigningkey=%[1]s/ca/signkey.pem\nissuercert=%[1]s/ca/issuercert.pem\ncertserial=%[1]s/ca/serial\n",
		"localca.options": "--platform-manufacturer Orbit\n--platform-version 1\n--platform-model test\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, text, dir), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state, certs = filepath.Join(dir, "state"), filepath.Join(dir, "certs")
	for _, d := range []string{state, certs} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	setup := exec.CommandContext(t.Context(), "swtpm_setup", "--tpm2", "--tpmstate", state, "--create-ek-cert",
		"--config", filepath.Join(dir, "setup.conf"), "--write-ek-cert-files", certs)
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("swtpm_setup: %v\n%s", err, out)
	}
	return state, certs
}

// start runs a software TPM at the other end of a socket until the test ends.
func start(t *testing.T, state string) net.Conn {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer theirs.Close()
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--fd", "3", "--tpmstate", "dir="+state, "--flags", "not-need-init,startup-clear")
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return conn
}

// kept is a connection that the collector may not close.
type kept struct{ io.ReadWriter }

func (kept) Close() error { return nil }

// collect describes the TPM at the other end of conn, in a machine with a driver
// for it.
func collect(t *testing.T, conn io.ReadWriter) (*hardware.TPM, error) {
	t.Helper()
	h := tree(t, map[string]string{"sys/class/tpm/tpm0/tpm_version_major": "2\n"})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return tpmCollector{h, func(name string) (io.ReadWriteCloser, error) {
		if name != "tpm0" {
			t.Errorf("opened %s", name)
		}
		return kept{conn}, nil
	}}.find(ctx)
}

// tree is a machine that has the files.
func tree(t *testing.T, files map[string]string) sysfs.Host {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return sysfs.Host{Root: root}
}

// A real implementation of TPM 2.0 is described, twice the same, by the
// certificate that its maker wrote; by that of the ECC key if the other is gone.
func TestSoftwareTPM(t *testing.T) {
	state, certs := software(t)
	sum := func(name string) string {
		der, err := os.ReadFile(filepath.Join(certs, name))
		if err != nil {
			t.Fatal(err)
		}
		s := sha256.Sum256(der)
		return hex.EncodeToString(s[:])
	}
	conn := start(t, state)
	got, err := collect(t, conn)
	if err != nil {
		t.Fatal(err)
	}
	if got.Firmware == "" {
		t.Error("no firmware version")
	}
	want := &hardware.TPM{Version: "2.0", Vendor: "IBM", Model: "SW TPM", Firmware: got.Firmware, EKCert: sum("ek-rsa2048.crt")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	t.Log(got)
	if again, err := collect(t, conn); err != nil || *again != *got {
		t.Errorf("a second time %+v, %v", again, err)
	}
	for _, chunk := range []uint32{32, 100, 1024} {
		if der, err := (tpm2{conn}).ekCert(chunk); der != sum("ek-rsa2048.crt") || err != nil {
			t.Errorf("by %d bytes: %s, %v", chunk, der, err)
		}
	}
	platform := words(0x4000000c, 0x01c00002, 9, emptyPassword)
	if _, err := (tpm2{conn}).command(sessions, 0x122, append(platform, 0, 0, 0, 0, 0)); err != nil { // TPM2_NV_UndefineSpace
		t.Fatal(err)
	}
	if got, err := collect(t, conn); err != nil || got.EKCert != sum("ek-secp384r1.crt") {
		t.Errorf("without the RSA certificate: %+v, %v", got, err)
	}
}
