package sign

import (
	"errors"
	"strings"
	"testing"
)

// Made with minisign 0.11 for the message "hello", prehashed and legacy.
const (
	pub    = "untrusted comment: minisign public key 6EAF23B291E59749\n" + pubKey + "\n"
	pubKey = "RWRJl+WRsiOvbrYaoNUR4Yy322jq8NQ8xyW3rtbk1RH+CEAhj5Li7y2i"
	hashed = `untrusted comment: signature from minisign secret key
RURJl+WRsiOvbqnf+uwrv/uWhs4O8QS4RogulLAuy7Eq4qNRuZZn6vJOpnJ1MwDBzSnl5c3worMXt2aBSpUUhP9jWeXCyB758AY=
trusted comment: timestamp:1795699575	file:m	hashed
7RGQ0jNuLRS0Jx3vTDv2XyBfmblZ+E0P7wYMYAeokcwMrm23Gytx/eggUUu/Fxf3Z7s7seYXdow0bo6NlmZnCg==
`
	legacy = `untrusted comment: signature from minisign secret key
RWRJl+WRsiOvbtEnR41MmxcbmEasuTueUXIFMchn2O7yEjN1MaSNbEjHG7V4WQHu9o07diNbDxZEidh3RiJjwUmURQCUhWbEZwE=
trusted comment: timestamp:1795699755	file:m
nw55mxHDULnu9qQ4rXZ9J7NID/FO6mCNTRgK+20Y5FDGytW9Gkg4jsDIp42TTsQbu7lMQaFHewfbfS5AGToCDw==
`
)

func key(t testing.TB) PublicKey {
	t.Helper()
	k, err := ParsePublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParsePublicKey(t *testing.T) {
	k := key(t)
	if k.ID.String() != "6EAF23B291E59749" || k.String() != pubKey || k.File() != pub {
		t.Errorf("read as %s:\n%s", k.ID, k.File())
	}
	for _, text := range []string{pubKey, pubKey + "\n", " " + pubKey + " ", strings.ReplaceAll(pub, "\n", "\r\n")} {
		if got, err := ParsePublicKey(text); err != nil || got != k {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "\n", "x", "comment\n" + pubKey, pub + pubKey, pubKey[:55], pubKey[:52], pubKey + "AAAA",
		"RU" + pubKey[2:], "QQ" + pubKey[2:], UntrustedPrefix + "only", "=" + pubKey[1:], hashed, strings.Repeat("A", 1<<20),
	} {
		if _, err := ParsePublicKey(text); !errors.As(err, new(*MalformedError)) {
			t.Errorf("%.80q: error %v, want a *MalformedError", text, err)
		}
	}
}

func TestVerify(t *testing.T) {
	k := key(t)
	for _, test := range []struct {
		sig, comment string
	}{
		{hashed, "timestamp:1795699575\tfile:m\thashed"},
		{strings.ReplaceAll(hashed, "\n", "\r\n"), "timestamp:1795699575\tfile:m\thashed"},
		{strings.TrimRight(hashed, "\n"), "timestamp:1795699575\tfile:m\thashed"},
		{strings.Replace(hashed, "signature from", "anything", 1), "timestamp:1795699575\tfile:m\thashed"},
		{legacy, "timestamp:1795699755\tfile:m"},
	} {
		got, err := k.Verify([]byte("hello"), []byte(test.sig))
		if err != nil || got != test.comment {
			t.Errorf("comment %q, %v; want %q", got, err, test.comment)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	line := strings.SplitAfter(hashed, "\n")
	other := key(t)
	other.ID[0]++
	wrong := key(t)
	wrong.Key[0]++
	for _, test := range []struct {
		name, message, sig string
		key                PublicKey
		want               func(error) bool
	}{
		{"other message", "hell", hashed, key(t), isSignature},
		{"other key", "hello", hashed, wrong, isSignature},
		{"other id", "hello", hashed, other, func(err error) bool {
			var e *KeyError
			return errors.As(err, &e) && e.Got == key(t).ID && e.Want == other.ID
		}},
		{"other comment", "hello", strings.Replace(hashed, "file:m", "file:n", 1), key(t), isSignature},
		{"hashed as plain", "hello", strings.Replace(hashed, "RURJ", "RWRJ", 1), key(t), isSignature},
		{"plain as hashed", "hello", strings.Replace(legacy, "RWRJ", "RURJ", 1), key(t), isSignature},
		{"bit", "hello", strings.Replace(hashed, "bqnf", "brnf", 1), key(t), isSignature},
		{"bit of global", "hello", strings.Replace(hashed, "7RGQ", "7RGR", 1), key(t), isSignature},
		{"empty", "hello", "", key(t), isMalformed},
		{"two lines", "hello", line[0] + line[1], key(t), isMalformed},
		{"five lines", "hello", hashed + "more", key(t), isMalformed},
		{"no untrusted comment", "hello", strings.Replace(hashed, "untrusted", "trusted", 1), key(t), isMalformed},
		{"no trusted comment", "hello", strings.Replace(hashed, "\ntrusted", "\n", 1), key(t), isMalformed},
		{"other algorithm", "hello", strings.Replace(hashed, "RURJ", "RVRJ", 1), key(t), isMalformed},
		{"short", "hello", strings.Replace(hashed, "RURJ", "", 1), key(t), isMalformed},
		{"long", "hello", strings.Replace(hashed, "RURJ", "RURJAAAA", 1), key(t), isMalformed},
		{"short global", "hello", strings.Replace(hashed, "7RGQ", "", 1), key(t), isMalformed},
		{"a public key", "hello", pub, key(t), isMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			comment, err := test.key.Verify([]byte(test.message), []byte(test.sig))
			if !test.want(err) || comment != "" {
				t.Errorf("comment %q, error %v", comment, err)
			}
		})
	}
}

func isSignature(err error) bool { return errors.Is(err, ErrSignature) }
func isMalformed(err error) bool { return errors.As(err, new(*MalformedError)) }

func FuzzParsePublicKey(f *testing.F) {
	f.Add(pub)
	f.Add(pubKey)
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParsePublicKey(text)
		if err != nil {
			return
		}
		if again, err := ParsePublicKey(k.File()); err != nil || again != k {
			t.Errorf("%q reads as %v, %v", k.File(), again, err)
		}
	})
}

// FuzzVerify looks for a panic, and for a forgery.
func FuzzVerify(f *testing.F) {
	f.Add([]byte("hello"), hashed)
	f.Add([]byte("hello"), legacy)
	k := key(f)
	f.Fuzz(func(t *testing.T, message []byte, sig string) {
		if comment, err := k.Verify(message, []byte(sig)); err == nil && (string(message) != "hello" || !strings.HasPrefix(comment, "timestamp:")) {
			t.Errorf("message %q, comment %q are taken as signed", message, comment)
		}
	})
}
