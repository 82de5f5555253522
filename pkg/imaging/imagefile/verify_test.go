package imagefile

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/sign"
	"github.com/orbit-pxe/orbit/pkg/sign/secret"
)

// signed puts a key's signature into an image.
func signed(t testing.TB, path string, key secret.Key, comment string) *image.Index {
	t.Helper()
	x, err := Embed(t.Context(), path, func(x *image.Index) ([]byte, error) { return key.Sign(image.Signed(x.Root()), comment) })
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestVerify(t *testing.T) {
	path, _ := orbitImage(t, 6*mib+100)
	key := newKey(t)
	x := signed(t, path, key, "by the test")
	other := key.Public()
	other.ID[0]++
	wrong := key.Public()
	wrong.Key[3]++
	plain, _ := orbitImage(t, mib)
	for _, test := range []struct {
		name string
		o    VerifyOptions
		want string // part of the reason, "" for trusted
	}{
		{"anything", VerifyOptions{}, ""},
		{"root", VerifyOptions{Root: x.Root()}, ""},
		{"key", VerifyOptions{Keys: []sign.PublicKey{key.Public()}}, ""},
		{"one of the keys", VerifyOptions{Keys: []sign.PublicKey{other, key.Public()}, Root: x.Root()}, ""},
		{"another root", VerifyOptions{Root: image.Sum(nil)}, "the one asked for is " + image.Sum(nil).String()},
		{"another key", VerifyOptions{Keys: []sign.PublicKey{other}}, "it was made with key " + key.Public().ID.String()},
		{"another key of the same id", VerifyOptions{Keys: []sign.PublicKey{wrong}}, "does not fit"},
		{"unsigned", VerifyOptions{Source: plain, Keys: []sign.PublicKey{other}}, "not signed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var last api.Event
			test.o.Events = func(e api.Event) { last = e }
			if test.o.Source == "" {
				test.o.Source = path
			}
			v, err := Verify(t.Context(), test.o)
			var trust *TrustError
			if test.want != "" {
				if !errors.As(err, &trust) || !strings.Contains(err.Error(), test.want) || image.IsDamaged(err) || last.State != "" {
					t.Errorf("error is %v, want a TrustError with %q before anything is read", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if last.State != api.Done || last.Step != api.Verify || last.Bytes != x.Size || last.Total != x.Size {
				t.Errorf("the last event is %+v", last)
			}
			if want := key.Public().ID.String(); len(test.o.Keys) > 0 && (v.Key != want || v.Comment != "by the test") {
				t.Errorf("signed by %q, %q; want %s", v.Key, v.Comment, want)
			}
		})
	}
}

// Damage is found wherever it is.
func TestVerifyDamage(t *testing.T) {
	path, _ := orbitImage(t, 3*mib)
	good := read(t, path)
	x, err := image.ReadIndex(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	put := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(bad, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(off int) []byte {
		b := bytes.Clone(good)
		b[off] ^= 8
		return b
	}
	for name, b := range map[string][]byte{
		"first span": flip(9000), "last span": flip(int(x.DataEnd()) - 9000), "index": flip(int(x.DataEnd()) + 70), "footer": flip(len(good) - 1),
		"cut": good[:len(good)-1], "only the beginning": good[:mib], "longer": append(bytes.Clone(good), 0), "difference": difference(t, good), "nothing": nil,
	} {
		put(b)
		if _, err := Verify(t.Context(), VerifyOptions{Source: bad}); !image.IsDamaged(err) {
			t.Errorf("%s: error is %v, want one that says that it is damaged", name, err)
		}
	}
	_, err = Verify(t.Context(), VerifyOptions{Source: bad + ".none"})
	if err == nil || image.IsDamaged(err) {
		t.Errorf("no file: %v", err)
	}
}

// From a server an image comes in few and large pieces, also when connections break.
func TestVerifyURL(t *testing.T) {
	path, _ := orbitImage(t, 30*mib)
	var requests, breaks atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%3 == 0 && breaks.Add(-1) >= 0 {
			panic(http.ErrAbortHandler)
		}
		http.ServeFile(w, r, path)
	}))
	defer server.Close()
	verify := func() error {
		_, err := Verify(t.Context(), VerifyOptions{Source: server.URL + "/a", Patience: 5 * time.Second})
		return err
	}
	if err := verify(); err != nil || requests.Load() > 12 {
		t.Errorf("%d requests for 8 pieces of 4 MiB; %v", requests.Load(), err)
	}
	breaks.Store(3)
	if err := verify(); err != nil {
		t.Error(err)
	}
	b := read(t, path)
	b[20*mib] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := verify(); !image.IsDamaged(err) {
		t.Errorf("damaged at the server: %v", err)
	}
}
