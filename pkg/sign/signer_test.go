package sign

import (
	"errors"
	"testing"
)

func TestSignerOf(t *testing.T) {
	const sig = "untrusted comment: signature from minisign secret key\n" +
		"RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n" +
		"trusted comment: timestamp:1635442742\tfile:test\n" +
		"hi7TFkXtqDDgVvBHsrBPK6tMVLRVcxxZ4bhzxCRuOwHcHrsKXWPWkWxeU+4JAvmpuXVM4KM9eX+FH2rjy1aHBQ==\n"
	id, err := SignerOf([]byte(sig))
	if err != nil || id.String() != "E7620F1842B4E81F" {
		t.Errorf("signed by %s, %v", id, err)
	}
	var bad *MalformedError
	if _, err := SignerOf([]byte("nonsense")); !errors.As(err, &bad) {
		t.Errorf("error is %v, want a MalformedError", err)
	}
}
