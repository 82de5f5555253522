//go:build !node

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// readPassword takes a password from the first line of a file, or asks for it.
func readPassword(file, prompt string) ([]byte, error) {
	if file == "" {
		return withTerminal(func(t *os.File) ([]byte, error) { return ask(t, prompt) })
	}
	b, err := readSmall(file)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

// newPassword is one that a key is to have. It is not empty, and asked for twice.
func newPassword(file string) ([]byte, error) {
	password, err := readPassword(file, "Password for the secret key: ")
	if err != nil {
		return nil, err
	}
	if len(password) == 0 {
		return nil, errors.New("the password is empty (-W makes a key without one)")
	}
	if file != "" {
		return password, nil
	}
	again, err := readPassword("", "The same again: ")
	if err == nil && !bytes.Equal(password, again) {
		err = errors.New("the passwords differ")
	}
	return password, err
}

// withTerminal has use talk to whoever started this, whatever standard input is.
func withTerminal(use func(*os.File) ([]byte, error)) ([]byte, error) {
	t, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("ask for the password: %w (without a terminal give --password-file)", err)
	}
	defer t.Close()
	return use(t)
}

// ask reads a line that the terminal does not show.
func ask(t *os.File, prompt string) ([]byte, error) {
	if _, err := t.WriteString(prompt); err != nil {
		return nil, err
	}
	password, err := term.ReadPassword(int(t.Fd()))
	t.WriteString("\n")
	if err != nil {
		return nil, fmt.Errorf("read the password: %w", err)
	}
	return password, nil
}
