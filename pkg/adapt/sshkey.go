package adapt

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Key lets someone in as User, by a line of authorized_keys (sshd(8)).
type Key struct {
	User string // "" is root
	Line string
}

// ParseKeys reads a file of authorized_keys lines. Empty ones and comments are
// left out; anything that is no key is an error.
func ParseKeys(user string, text []byte) ([]Key, error) {
	var keys []Key
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		k := Key{User: user, Line: line}
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("no ssh key in it")
	}
	return keys, nil
}

func (k Key) user() string {
	if k.User == "" {
		return "root"
	}
	return k.User
}

func (k Key) check() error {
	if strings.ContainsAny(k.user(), ":/\n\x00") {
		return fmt.Errorf("user %q: that is no name of a user", k.User)
	}
	if strings.Contains(k.Line, "PRIVATE KEY") {
		return errors.New("ssh key: that is a private key, the public one is in the file that ends in .pub")
	}
	if strings.ContainsAny(k.Line, "\r\n\x00") {
		return errors.New("ssh key: more than one line")
	}
	if blob(k.Line) == "" {
		return fmt.Errorf("ssh key %q is not one: want a type such as ssh-ed25519 and the key in base64", clip(k.Line))
	}
	return nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// blob finds the key itself in a line, in base64: the word behind its type. A
// line may begin with options, which may have quoted spaces, so the key is told
// by its content, which begins with its type (RFC 4253, section 6.6).
func blob(line string) string {
	words := strings.Fields(line)
	for i := 1; i < len(words); i++ {
		b, err := base64.StdEncoding.DecodeString(words[i])
		if err != nil || len(b) < 4 {
			continue
		}
		n := binary.BigEndian.Uint32(b)
		if n > 0 && uint64(n) < uint64(len(b)-4) && string(b[4:4+n]) == words[i-1] {
			return words[i]
		}
	}
	return ""
}

// account is what passwd(5) says of a user.
type account struct {
	uid, gid int
	home     string
}

func lookup(passwd []byte, user string) (account, error) {
	for _, line := range strings.Split(string(passwd), "\n") {
		f := strings.Split(line, ":")
		if len(f) < 6 || f[0] != user {
			continue
		}
		uid, uerr := strconv.ParseUint(f[2], 10, 32)
		gid, gerr := strconv.ParseUint(f[3], 10, 32)
		if uerr != nil || gerr != nil || !path.IsAbs(f[5]) {
			return account{}, fmt.Errorf("user %s: its line in /etc/passwd is damaged: %q", user, clip(line))
		}
		return account{int(uid), int(gid), f[5]}, nil
	}
	if user == "root" {
		return account{home: "/root"}, nil
	}
	return account{}, fmt.Errorf("user %s is not in /etc/passwd of the system", user)
}

// authorize lets the keys of one user in. With replace they are the only ones.
func authorize(t *tree, user string, lines []string, replace bool) error {
	passwd, err := t.read("etc/passwd")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	a, err := lookup(passwd, user)
	if err != nil {
		return err
	}
	if _, st, err := t.stat(a.home); err != nil || !is(st, unix.S_IFDIR) {
		return fmt.Errorf("home directory %s of user %s is not there: %w", a.home, user, cmp.Or(err, errType))
	}
	dir := path.Join(a.home, ".ssh")
	// sshd insists on an owner and on nobody else being able to write.
	if err := t.mkdir(dir, attr{mode: 0o700, uid: a.uid, gid: a.gid, label: "ssh_home_t"}); err != nil {
		return err
	}
	if err := t.tighten(dir, a); err != nil {
		return err
	}
	file := path.Join(dir, "authorized_keys")
	var old []byte
	if !replace {
		if old, err = t.read(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return t.write(file, bytes.NewReader(addKeys(old, lines)), attr{mode: 0o600, uid: a.uid, gid: a.gid, label: "ssh_home_t"})
}

// addKeys appends the lines whose keys are not there yet.
func addKeys(old []byte, lines []string) []byte {
	have := map[string]bool{}
	for _, line := range strings.Split(string(old), "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			have[blob(line)] = true
		}
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	for _, line := range lines {
		if b := blob(line); !have[b] {
			have[b] = true
			old = append(append(old, line...), '\n')
		}
	}
	return old
}

// tighten gives a directory to its user and takes writing from all others.
func (t *tree) tighten(dir string, a account) error {
	real, st, err := t.stat(dir)
	if err != nil {
		return err
	}
	return t.in(real, func(fd int, base string) error {
		if err := unix.Fchownat(fd, base, a.uid, a.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		return unix.Fchmodat(fd, base, st.Mode&0o7755, 0)
	})
}
