// Package grub reads grub.cfg as GRUB 2 itself would: it parses the script
// language and runs it, up to the menu and the entry that starts by default
// (GRUB manual, chapters "Writing your own configuration file" and "Commands";
// grammar as in grub-core/script/yylex.l and parser.y).
//
// Language: quoting, variables, set and export, if, for, while, until,
// functions, menuentry and submenu with their options, test, positional
// parameters. Commands: search, load_env (grubenv with saved_entry and
// next_entry), configfile, source, normal, blscfg (Boot Loader Specification
// entries as Fedora and RHEL patch them in), linux and initrd with their 16
// and efi forms. Commands about looks and devices do nothing; unknown ones
// fail, as they do in GRUB, and are noted. Nothing is ever written: save_env
// does nothing, so that a one-time choice (next_entry) stays for the next
// firmware boot too.
//
// A configuration is data from a disk that someone else filled: what it may
// use up is bounded (limits.go).
package grub
