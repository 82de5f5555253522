package seal

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

// goldens is where images are that the real tools wrote.
const goldens = "../../../../shared/testdata/ndz"

func read(t testing.TB, name string) []byte {
	t.Helper()
	return ndztest.Golden(t, filepath.Join(goldens, name))
}

func signer(t testing.TB, name string) *Signer {
	t.Helper()
	s, err := ParseSigner(read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func cipherKey(t testing.TB) []byte {
	t.Helper()
	k, err := ParseCipher(read(t, "encryption-key.hex"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// expand gives the SHA-256 of the disk, and the bytes that were handed on.
func expand(t testing.TB, b []byte, k *Keys) (string, int, error) {
	t.Helper()
	disk, n := make([]byte, 8<<20), 0
	r := ndz.NewReader(bytes.NewReader(b), ndz.Options{Seal: k, Workers: 1})
	err := r.Each(t.Context(), func(off int64, p []byte) error {
		n += copy(disk[off:], p)
		return nil
	})
	sum := sha256.Sum256(disk)
	return hex.EncodeToString(sum[:]), n, err
}

func TestGoldens(t *testing.T) {
	var m struct {
		Images []struct {
			File   string `json:"file"`
			Key    string `json:"key_file"`
			Cipher string `json:"encryption_key_file"`
			Zero   struct {
				SHA256 string `json:"sha256"`
			} `json:"zero_filled"`
		} `json:"images"`
	}
	if err := json.Unmarshal(read(t, "manifest.json"), &m); err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, g := range m.Images {
		if g.Key == "" && g.Cipher == "" {
			continue
		}
		done++
		t.Run(g.File, func(t *testing.T) {
			var k Keys
			if g.Key != "" {
				k.Signer = signer(t, g.Key)
			}
			if g.Cipher != "" {
				k.Cipher = cipherKey(t)
			}
			b := read(t, g.File)
			got, _, err := expand(t, b, &k)
			if err != nil || got != g.Zero.SHA256 {
				t.Errorf("%s, %v, want %s", got, err, g.Zero.SHA256)
			}
			m, err := ndz.Open(t.Context(), bytes.NewReader(b), int64(len(b)), ndz.Options{Seal: &k})
			if err != nil {
				t.Fatal(err)
			}
			disk, err := io.ReadAll(io.NewSectionReader(m.View(t.Context()), 0, 1<<30))
			if sum := sha256.Sum256(disk); err != nil || hex.EncodeToString(sum[:]) != g.Zero.SHA256 {
				t.Errorf("as a disk: %x, %v, want %s", sum, err, g.Zero.SHA256)
			}
		})
	}
	if done != 3 {
		t.Errorf("%d sealed images in the manifest, want 3", done)
	}
}

func TestRefuses(t *testing.T) {
	const signed, encrypted, both, plain = "raw-v4-signed.ndz.gz", "raw-v4-encrypted.ndz.gz", "raw-v4-signed-encrypted.ndz.gz", "raw-v4-uuid.ndz.gz"
	own, other := signer(t, "raw-v4-signed.skey"), signer(t, "raw-v4-signed-encrypted.skey")
	key := cipherKey(t)
	wrong := bytes.Clone(key)
	wrong[5] ^= 1
	flip := func(off int) func([]byte) { return func(b []byte) { b[off] ^= 1 } }
	size := func(b []byte) int { return int(b[4]) | int(b[5])<<8 | int(b[6])<<16 }
	for _, tt := range []struct {
		name, file string
		keys       Keys
		change     func([]byte)
	}{
		{"no key for the signature", signed, Keys{Cipher: key}, nil},
		{"no key for the cipher", encrypted, Keys{}, nil},
		{"signed by another", signed, Keys{Signer: other}, nil},
		{"wrong key for the cipher", encrypted, Keys{Cipher: wrong}, nil},
		{"both, one key", both, Keys{Signer: other}, nil},
		{"both, the other key", both, Keys{Cipher: key}, nil},
		{"not signed", plain, Keys{Signer: own}, nil},
		{"signature taken off", signed, Keys{Signer: own}, func(b []byte) { clear(b[38:40]) }},
		{"only a checksum", signed, Keys{Signer: own}, func(b []byte) { b[39] = 0 }},
		{"region moved", signed, Keys{Signer: own}, func(b []byte) { b[348]--; b[28]-- }},
		{"id changed", signed, Keys{Signer: own}, flip(330)},
		{"stream changed", signed, Keys{Signer: own}, flip(ndz.HeaderSize + 99)},
		{"signature changed", signed, Keys{Signer: own}, flip(72)},
		{"last byte of the signature changed", signed, Keys{Signer: own}, flip(72 + 63)},
		{"signature larger than the modulus", signed, Keys{Signer: own}, func(b []byte) { copy(b[72:], bytes.Repeat([]byte{255}, 64)) }},
		{"padding changed", encrypted, Keys{Cipher: key}, func(b []byte) { b[ndz.HeaderSize+size(b)-9] ^= 1 }},
		{"no padding", encrypted, Keys{Cipher: key}, func(b []byte) { b[ndz.HeaderSize+size(b)-9] ^= 4 }},
		{"another initialisation vector, signed", both, Keys{Signer: other, Cipher: key}, flip(41)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := read(t, tt.file)
			if tt.change != nil {
				tt.change(b)
			}
			if _, n, err := expand(t, b, &tt.keys); !errors.Is(err, ndz.ErrSeal) || n > 0 {
				t.Errorf("%d bytes handed on, %v, want %v", n, err, ndz.ErrSeal)
			}
		})
	}
}

// TestChecksum is about the form without a signature, which the real tools
// know, but never write.
func TestChecksum(t *testing.T) {
	b := read(t, "raw-v4-uuid.ndz.gz")
	size := int(b[4]) | int(b[5])<<8 | int(b[6])<<16
	b[38] = ndz.SumSHA1
	sum := sha1.Sum(b[:ndz.HeaderSize+size])
	copy(b[72:], sum[:])
	if _, n, err := expand(t, b, &Keys{}); err != nil || n != 8<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	b[ndz.HeaderSize+size-1] ^= 1
	if _, n, err := expand(t, b, &Keys{}); !errors.Is(err, ndz.ErrSeal) || n > 0 {
		t.Errorf("damaged: %d bytes handed on, %v, want %v", n, err, ndz.ErrSeal)
	}
}

func TestParse(t *testing.T) {
	odd := strings.Repeat("f", 128)
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"good", odd + "\n11\nAB\n", true},
		{"empty", "", false},
		{"no exponent", odd, false},
		{"short modulus", odd[1:] + "\n11", false},
		{"long modulus", odd + "f\n11", false},
		{"even modulus", odd[1:] + "e\n11", false},
		{"no number", odd[1:] + "g\n11", false},
		{"negative exponent", odd + "\n-11", false},
		{"exponent 0", odd + "\n0", false},
		{"huge exponent", odd + "\n" + odd, false},
	} {
		if _, err := ParseSigner([]byte(tt.text)); (err == nil) != tt.ok {
			t.Errorf("signer, %s: %v", tt.name, err)
		}
	}
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"good", odd[:64] + "\n", true},
		{"short", odd[:62], false},
		{"long", odd[:66], false},
		{"no number", odd[:63] + "x", false},
		{"empty", "", false},
	} {
		if _, err := ParseCipher([]byte(tt.text)); (err == nil) != tt.ok {
			t.Errorf("cipher, %s: %v", tt.name, err)
		}
	}
}
