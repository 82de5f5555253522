package main

import (
	"context"
	"errors"
	"io"
)

type artifactsOptions struct{ dir, kernel, stub, cmdline string }

func (b *builder) artifacts(ctx context.Context, stdout io.Writer, o artifactsOptions) error {
	return errors.New("not built yet")
}
func (b *builder) sizes(ctx context.Context, stdout io.Writer) error {
	return errors.New("not built yet")
}
