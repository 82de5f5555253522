package adapt

import "strings"

// removeHostKeys removes the keys that sshd proves the machine's identity
// with. note hears of what the system may need to make new ones.
func removeHostKeys(t *tree, note func(string)) error {
	names, err := t.list("etc/ssh")
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasPrefix(n, "ssh_host_") {
			if err := t.remove("etc/ssh/" + n); err != nil {
				return err
			}
		}
	}
	switch {
	case len(t.stage) == 0:
		note("there are no ssh host keys to remove")
	case !makesHostKeys(t):
		note("the ssh host keys are removed, and nothing in the system is known to make new ones: sshd may not start before ssh-keygen -A is run")
	}
	return nil
}

// makesHostKeys looks for what makes missing host keys at boot: cloud-init, a
// unit such as sshd-keygen@.service, sshdgenkeys.service or
// regenerate_ssh_host_keys.service, or an init script.
func makesHostKeys(t *tree) bool {
	if hasCloudInit(t) {
		return true
	}
	for _, dir := range []string{"usr/lib/systemd/system", "etc/systemd/system", "etc/init.d"} {
		names, err := t.list(dir)
		if err != nil {
			continue // it is about a hint only
		}
		for _, n := range names {
			switch {
			case strings.Contains(n, "ssh") && (strings.Contains(n, "keygen") || strings.Contains(n, "genkeys") || strings.Contains(n, "host_keys")):
				return true
			case n == "sshd" && dir == "etc/init.d": // of Alpine and Gentoo
				return true
			}
		}
	}
	return false
}
