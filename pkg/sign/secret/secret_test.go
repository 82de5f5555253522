package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/sign"
)

// small makes passwords quick to try, in tests only.
var small = Limits{Ops: 32768, Memory: 1 << 24}

// minisign runs the real tool, or skips the test if it is not there.
func minisign(t *testing.T, stdin string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("minisign"); err != nil {
		t.Skip("minisign is not installed")
	}
	c := exec.Command("minisign", args...)
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("minisign %v: %v\n%s", args, err, out)
	}
}

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func get(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func generate(t testing.TB) Key {
	t.Helper()
	k, err := Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestOurKeyInMinisign signs with minisign and a key of ours, and has minisign
// verify a signature of ours.
func TestOurKeyInMinisign(t *testing.T) {
	for _, password := range []string{"", "correct horse"} {
		t.Run("password "+password, func(t *testing.T) {
			dir := t.TempDir()
			k := generate(t)
			file, err := k.File(rand.Reader, []byte(password), small)
			if err != nil {
				t.Fatal(err)
			}
			key, pub := put(t, filepath.Join(dir, "key"), file), put(t, filepath.Join(dir, "pub"), k.Public().File())
			message := put(t, filepath.Join(dir, "message"), "the root of an image")

			for _, kind := range []string{"-H", "-l"} {
				minisign(t, password+"\n", "-S", kind, "-s", key, "-m", message, "-t", "by minisign "+kind)
				comment, err := k.Public().Verify([]byte("the root of an image"), []byte(get(t, message+".minisig")))
				if err != nil || comment != "by minisign "+kind {
					t.Errorf("%s: comment %q, %v", kind, comment, err)
				}
				minisign(t, "", "-V", "-p", pub, "-m", message)
			}

			sig, err := k.Sign([]byte("the root of an image"), "by orbit")
			if err != nil {
				t.Fatal(err)
			}
			put(t, message+".minisig", string(sig))
			minisign(t, "", "-V", "-P", k.Public().String(), "-m", message)
			if comment, err := k.Public().Verify([]byte("the root of an image"), sig); err != nil || comment != "by orbit" {
				t.Errorf("comment %q, %v", comment, err)
			}
		})
	}
}

// TestMinisignKeyInOurs reads keys that minisign made.
func TestMinisignKeyInOurs(t *testing.T) {
	for _, test := range []struct {
		name     string
		password string
		args     []string
	}{
		{"bare", "", []string{"-W"}},
		{"password", "correct horse", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.password != "" && testing.Short() {
				t.Skip("minisign's passwords take seconds and a GiB of memory")
			}
			dir := t.TempDir()
			key, pub := filepath.Join(dir, "key"), filepath.Join(dir, "pub")
			minisign(t, test.password+"\n"+test.password+"\n", append(test.args, "-G", "-s", key, "-p", pub)...)
			text := get(t, key)
			if locked, err := Encrypted(text); err != nil || locked != (test.password != "") {
				t.Errorf("encrypted: %v, %v", locked, err)
			}
			k, err := Parse(text, []byte(test.password))
			if err != nil {
				t.Fatal(err)
			}
			want, err := sign.ParsePublicKey(get(t, pub))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, k.Public()); diff != "" {
				t.Errorf("public key (-minisign +got):\n%s", diff)
			}
			sig, err := k.Sign([]byte("hello"), "")
			if err != nil {
				t.Fatal(err)
			}
			message := put(t, filepath.Join(dir, "m"), "hello")
			put(t, message+".minisig", string(sig))
			minisign(t, "", "-V", "-p", pub, "-m", message)
		})
	}
}

func TestRoundTrip(t *testing.T) {
	k := generate(t)
	for _, password := range []string{"", "x"} {
		text, err := k.File(rand.Reader, []byte(password), small)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(text, []byte(password))
		if err != nil || !got.priv.Equal(k.priv) || got.id != k.id {
			t.Errorf("password %q: another key, %v", password, err)
		}
		if password != "" {
			if _, err := Parse(text, []byte("y")); !errors.Is(err, ErrPassword) {
				t.Errorf("wrong password: error %v", err)
			}
		}
	}
}

// change is the text of a key file with some bytes of its data overwritten.
func change(t testing.TB, text string, off int, b ...byte) string {
	comment, line, _ := strings.Cut(text, "\n")
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	copy(data[off:], b)
	return comment + "\n" + base64.StdEncoding.EncodeToString(data) + "\n"
}

func TestParseRefuses(t *testing.T) {
	k := generate(t)
	bare, err := k.File(rand.Reader, nil, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	locked, err := k.File(rand.Reader, []byte("x"), small)
	if err != nil {
		t.Fatal(err)
	}
	odd := k
	odd.priv = append(bytes.Clone(k.priv[:32]), generate(t).priv[32:]...)
	mixed, err := odd.File(rand.Reader, nil, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "want a line"},
		{"public key", k.Public().File(), "not 158"},
		{"no comment", strings.Replace(bare, "untrusted", "", 1), "want a line"},
		{"three lines", bare + "x", "want a line"},
		{"long", bare[:len(bare)-1] + strings.Repeat("A", 1000), "too long"},
		{"algorithm", change(t, bare, 0, 'X'), "unknown algorithms"},
		{"kdf", change(t, bare, 2, 'A'), "unknown algorithms"},
		{"checksum kind", change(t, bare, 4, 'X'), "unknown algorithms"},
		{"checksum", change(t, bare, 130, 1, 2, 3), "wrong password"},
		{"damaged", change(t, locked, 70, 1, 2, 3), "wrong password"},
		{"memory", change(t, locked, 46, 0, 0, 0, 0, 0, 1), "would take"},
		{"operations", change(t, locked, 38, 0, 0, 0, 0, 0, 1), "would take"},
		{"no memory", change(t, locked, 46, make([]byte, 8)...), "wrong password"},
		{"two keys", mixed, "belongs to another"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.text, []byte("x"))
			if !errors.Is(err, ErrPassword) && !errors.As(err, new(*sign.MalformedError)) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	k := generate(t)
	for _, comment := range []string{"two\nlines", "cr\r", strings.Repeat("x", 9000)} {
		if _, err := k.Sign(nil, comment); err == nil {
			t.Errorf("%.20q taken as a comment", comment)
		}
	}
	if _, err := Generate(strings.NewReader("short")); err == nil {
		t.Error("a key out of five bytes of randomness")
	}
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		l    Limits
		n, p int
	}{
		{Sensitive(), 1 << 20, 1},
		{Limits{}, 2, 512},
		{Limits{Ops: 524288, Memory: 16 << 20}, 1 << 14, 1}, // libsodium's "interactive"
		{Limits{Ops: 32768, Memory: 1 << 30}, 1 << 10, 1},
	} {
		if n, p := test.l.params(); n != test.n || p != test.p {
			t.Errorf("%+v: N %d, p %d; want %d, %d", test.l, n, p, test.n, test.p)
		}
	}
}

func FuzzParse(f *testing.F) {
	k := generate(f)
	bare, err := k.File(rand.Reader, nil, Limits{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bare)
	f.Fuzz(func(t *testing.T, text string) {
		if locked, err := Encrypted(text); err != nil || locked {
			return // a password is slow to try
		}
		k, err := Parse(text, nil)
		if err != nil {
			return
		}
		sig, err := k.Sign([]byte("m"), "c")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Public().Verify([]byte("m"), sig); err != nil {
			t.Error(err)
		}
	})
}
