package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware/query"
	"github.com/orbit-pxe/orbit/pkg/head/client"
)

// headFlag adds --head, which every verb but serve has.
func headFlag(flags *flag.FlagSet) func() client.Client {
	url := flags.String("head", "http://127.0.0.1:8080", "`URL` of the head")
	return func() client.Client {
		return client.Client{URL: *url, HTTP: &http.Client{Timeout: 30 * time.Second}}
	}
}

func assign(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	flags := flag.NewFlagSet("orbitd assign", flag.ContinueOnError)
	flags.SetOutput(stderr)
	head, expression := headFlag(flags), selectFlag(flags)
	var job api.Job
	flags.StringVar((*string)(&job.Kind), "job", "image", "`kind` of job: image, save, boot, inventory, burnin or shell")
	flags.StringVar(&job.Image, "image", "", "`name` of an image at the head, or a URL (http, https, or frisbee:// for a server of Emulab)")
	flags.StringVar(&job.SHA256, "sha256", "", "digest that the image file must have, in `hex` (default: of images without a root that of the sidecar at the head)")
	flags.StringVar(&job.Root, "root", "", "root that the Orbit image must have, in `hex` (default: that of the image at the head)")
	flags.StringVar(&job.Parent, "parent", "", "save: `name` of an image at the head; only the difference to it is sent")
	flags.Func("for", "burnin: how `LONG` to try, in all (default 10m; orbit burnin NODE has more to choose from)", func(s string) error {
		job.Burnin = &api.BurninOptions{For: s}
		return job.Burnin.Validate()
	})
	flags.BoolVar(&job.Scrub, "scrub", false, "save: leave out machine-id, ssh host keys, logs and histories")
	flags.StringVar(&job.Grow, "grow", "", "`partition` that gets the rest of the disk: last, a number, a name or label")
	flags.StringVar(&job.Hostname, "hostname", "", "`name` of the system that is written")
	flags.BoolVar(&job.NewMachineID, "new-machine-id", false, "give the system that is written a machine-id of its own")
	flags.BoolVar(&job.RemoveHostKeys, "remove-ssh-host-keys", false, "have the system that is written make ssh host keys of its own")
	flags.BoolVar(&job.Multicast, "multicast", false, "let the image come by multicast, together with other nodes; what does not arrive comes by HTTP")
	flags.StringVar(&job.Disk, "disk", "", "`disk` of the node: a device, first, or serial=, wwn=, model=, size>=, bus=")
	flags.StringVar((*string)(&job.Then), "then", "", "what the node does `afterwards`: kexec, reboot, poweroff or shell")
	flags.StringVar(&job.Append, "append", "", "`words` to add to the command line of the installed system's kernel")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	return each(ctx, head(), "assign", rest, *expression, func(c client.Client, id string) error {
		n, err := c.Assign(ctx, id, job)
		if err == nil {
			fmt.Fprintf(stdout, "%s %s job %s assigned\n", n.ID, n.Job.Kind, n.Job.ID)
		}
		return err
	})
}

func clearJob(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	flags := flag.NewFlagSet("orbitd clear", flag.ContinueOnError)
	flags.SetOutput(stderr)
	head, expression := headFlag(flags), selectFlag(flags)
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	return each(ctx, head(), "clear", rest, *expression, func(c client.Client, id string) error {
		return c.Clear(ctx, id)
	})
}

// selectFlag adds --select, which stands for NODE.
func selectFlag(flags *flag.FlagSet) *string {
	return flags.String("select", "", "in place of NODE, those for which an `expression` about their inventory holds, as 'disks.size>=1TB && nics.driver==\"ice\"'")
}

// each does something to all nodes that a name or a query stands for; one failure
// does not spare the others.
func each(ctx context.Context, c client.Client, verb string, names []string, expression string, do func(c client.Client, id string) error) error {
	if expression == "" && len(names) != 1 || expression != "" && len(names) > 0 {
		return usageError{fmt.Errorf("%s needs one NODE, or all, or --select", verb)}
	}
	var ids []string
	var err error
	if expression == "" {
		ids, err = c.Find(ctx, names[0])
	} else {
		ids, err = chosen(ctx, c, expression)
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if err := do(c, id); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// chosen are the nodes that a query holds for, which should be some.
func chosen(ctx context.Context, c client.Client, expression string) ([]string, error) {
	if _, err := query.Parse(expression); err != nil { // a blank one would stand for all at the head
		return nil, usageError{fmt.Errorf("--select: %w", err)}
	}
	ids, err := c.Select(ctx, expression)
	if err == nil && len(ids) == 0 {
		err = errors.New("--select holds for no node")
	}
	return ids, err
}

func nodes(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	var expression *string
	more := func(flags *flag.FlagSet) { expression = selectFlag(flags) }
	return list("nodes", stdout, stderr, args, more, func(c client.Client) (any, func() error, error) {
		all, err := c.Nodes(ctx)
		if err == nil && *expression != "" {
			var ids []string
			ids, err = chosen(ctx, c, *expression)
			all = slices.DeleteFunc(all, func(n api.Node) bool { return !slices.Contains(ids, n.ID) })
		}
		return all, func() error { return table(stdout, all, time.Now(), width(stdout)) }, err
	})
}

// list prints what a head has, as JSON or as the table that get gives with it.
// more, if it is there, adds flags.
func list(name string, stdout, stderr io.Writer, args []string, more func(*flag.FlagSet), get func(client.Client) (all any, table func() error, err error)) error {
	flags := flag.NewFlagSet("orbitd "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	head := headFlag(flags)
	asJSON := flags.Bool("json", false, "print the full records as JSON")
	if more != nil {
		more(flags)
	}
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("%s takes no argument %q", name, rest[0])}
	}
	all, table, err := get(head())
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", " ")
		return enc.Encode(all)
	}
	return table()
}
