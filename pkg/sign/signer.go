package sign

// SignerOf is the id of the key that sig, the text of a .minisig file, says it was
// made with. Anybody can write that: only Verify tells whether it is true. The
// error is a *[MalformedError].
func SignerOf(sig []byte) (KeyID, error) {
	s, err := parseSignature(string(sig))
	return s.id, err
}
