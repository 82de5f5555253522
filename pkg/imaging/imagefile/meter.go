package imagefile

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// meter tells of one step: that it has begun, how far it is about twice a
// second, and how it ended.
type meter struct {
	sink  api.Sink
	step  api.Step
	total int64 // bytes
	done  atomic.Int64
	begun time.Time
	quit  chan struct{}
	tick  sync.WaitGroup
}

func startMeter(sink api.Sink, step api.Step, total int64) *meter {
	m := &meter{sink: sink, step: step, total: total, begun: time.Now(), quit: make(chan struct{})}
	m.send(api.Started, "")
	m.tick.Go(func() {
		t := time.NewTicker(500 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-m.quit:
				return
			case <-t.C:
				m.send(api.Progress, "")
			}
		}
	})
	return m
}

func (m *meter) add(n int64) { m.done.Add(n) }

func (m *meter) end(err error) {
	close(m.quit)
	m.tick.Wait()
	if err != nil {
		m.send(api.Failed, err.Error())
		return
	}
	m.send(api.Done, "")
}

func (m *meter) send(s api.State, message string) {
	e := api.Event{Time: time.Now(), Step: m.step, State: s, Message: message}
	if s != api.Started {
		e.Bytes, e.Total, e.Seconds = m.done.Load(), m.total, time.Since(m.begun).Seconds()
	}
	m.sink(e)
}
