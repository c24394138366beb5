// The beginning and the end: first start, stop, what is let go of last.

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// begin does what must succeed before there is a loop: the hook that may refuse,
// the locks, the sockets.
func (s *Supervisor) begin() error {
	s.log.use(&s.cfg)
	s.watchdogEvery = watchdogInterval()
	s.restart = restartCommand(&s.cfg)
	s.startDir, _ = os.Getwd()
	s.cfg.Listeners = s.sys.named(s.cfg.Listeners, nil)
	cfg := s.cfg
	if err := s.sys.hook(s.life, &cfg, OnStarting); err != nil {
		return fmt.Errorf("hook on_starting: %w", err)
	}
	s.begun = true
	if s.inherited != nil {
		s.numbers = s.inherited.estate.Generation
		s.task(func() { s.hearPredecessor(s.inherited) })
	}
	gen := s.newGeneration(&cfg)
	s.gen = gen
	var err error
	if gen.logs, err = openLogs(&cfg); err != nil {
		return err
	}
	if s.pidfile, err = s.claimPIDFile(); err != nil {
		return err
	}
	if _, err := s.bindAll(gen); err != nil {
		return err
	}
	if n := s.activated.rest(); n > 0 {
		s.log.Warn("the service manager opened sockets that no listener names", "sockets", n)
	}
	if s.cfg.OnBound != nil {
		if err := s.cfg.OnBound(); err != nil {
			return err
		}
	}
	s.wanted = s.cfg.startWith()
	s.task(func() {
		err := s.sys.prepare(s.life, gen)
		s.post(message{do: func() { s.firstPrepared(gen, err) }})
	})
	return nil
}

// firstPrepared starts the first workers, all at once.
func (s *Supervisor) firstPrepared(gen *generation, err error) {
	switch {
	case s.stopping == leaving:
	case err != nil:
		refusal := refusalOf(err)
		s.cannotBoot(&BootError{Reason: refusal.Reason, Output: refusal.Output, Printed: refusal.Printed})
	default:
		for slot := range s.wanted {
			s.spawn(slot, gen, None)
		}
	}
}

// stillborn follows up on a worker that did not become ready at the first start. Those
// that still boot decide: one that becomes ready is enough, whoever was quicker to die.
func (s *Supervisor) stillborn(err *BootError) {
	if s.unborn == nil {
		s.unborn = err
	}
	if s.inherited != nil || !slices.ContainsFunc(s.workers, (*worker).staying) {
		s.cannotBoot(s.unborn)
	}
}

// firstReady is the end of the first start, but for a new supervisor in an upgrade,
// which waits for all its workers.
func (s *Supervisor) firstReady() {
	s.booted, s.unborn = true, nil
	if s.inherited == nil {
		s.open()
	}
	s.balance()
}

// open tells the world that we serve.
func (s *Supervisor) open() {
	s.opened = true
	if err := s.pidfile.write(); err != nil {
		s.fail(err)
		return
	}
	s.sys.notify("READY=1")
	s.runHook(WhenReady)
	if s.cfg.OnReady != nil {
		s.cfg.OnReady()
	}
	s.reloadAgain()
}

// fail ends everything because of err; the first one is what Run returns.
func (s *Supervisor) fail(err error) {
	if s.failure == nil {
		s.failure = err
	}
	s.stopping = leaving
	s.sendAll(evKill, Stopped)
}

// stop begins the end, or speeds it up.
func (s *Supervisor) stop(fast bool) {
	switch {
	case s.stopping == running:
		s.stopping = delaying
		s.log.Info("stopping", "fast", fast, "after", s.delay(fast))
		s.sys.notify("STOPPING=1")
		s.abandon(ErrStopping)
		if fast {
			s.leave(evHurry)
		}
		s.task(func() {
			s.announceStop(s.delay(fast))
			s.post(message{do: func() { s.leaveServed(time.Now().Add(s.cfg.GracefulTimeout)) }})
		})
	case fast && !s.hurried:
		s.leave(evHurry)
	case fast:
		s.log.Info("stopping at once")
		s.stopping = leaving
		s.sendAll(evKill, Stopped)
	}
}

// announceStop is the time between a stop's begin and the word to the workers.
func (s *Supervisor) announceStop(delay time.Duration) {
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-s.life.Done():
		}
	}
	if s.cfg.OnStop == nil {
		return
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		s.cfg.OnStop()
	}()
	select {
	case <-told:
	case <-time.After(positive(s.cfg.GracefulTimeout, 30*time.Second)):
	case <-s.life.Done():
	}
}

func (s *Supervisor) delay(fast bool) time.Duration {
	if fast {
		return 0
	}
	return max(s.cfg.StopDelay, 0)
}

// leaveServed has the workers leave when nobody waits to be accepted. Workers of our
// contract see to that themselves; others stop accepting at once, so they are told
// when the queues are empty.
func (s *Supervisor) leaveServed(limit time.Time) {
	waiting := 0
	if !s.cfg.App.Kind.contract() {
		for _, l := range s.gen.listeners {
			queued, _ := s.sys.depth(l)
			waiting += max(queued, 0)
		}
	}
	if waiting > 0 && time.Now().Before(limit) && len(s.workers) > 0 {
		time.AfterFunc(pollPeriod, func() { s.post(message{do: func() { s.leaveServed(limit) }}) })
		return
	}
	s.leave(evDrain)
}

// leave tells all workers to go.
func (s *Supervisor) leave(how event) {
	if s.stopping == leaving && how == evDrain {
		return
	}
	s.stopping = leaving
	s.hurried = s.hurried || how == evHurry
	s.sendAll(how, Stopped)
}

// sendAll leaves an event for each worker.
func (s *Supervisor) sendAll(e event, reason Reason) {
	for _, w := range s.workers {
		s.after(message{worker: w, event: e, reason: reason})
	}
}

// abandon gives up a reload and an upgrade under way.
func (s *Supervisor) abandon(why error) {
	if s.reloading != nil {
		s.refuse(why)
	}
	for _, answer := range s.again {
		answerTo(answer, why)
	}
	s.again = nil
	s.abandonUpgrade(why)
}

// release lets go of everything, in the order in which others may take it.
func (s *Supervisor) release() error {
	for _, g := range s.generations {
		s.sys.retire(g)
		g.logs.close()
	}
	s.inherited.failed(s.failure)
	if s.successor != nil {
		s.successor.conn.Close()
	}
	errs := []error{s.closeListeners(s.listeners), s.pidfile.remove(s.successor != nil)}
	s.listeners = nil
	s.hooks.Wait() // each has its limit
	if s.begun {
		s.sys.hook(context.Background(), s.gen.cfg, OnExit, fmt.Sprint("APPD_PID=", os.Getpid()))
	}
	return errors.Join(errs...)
}

// drainAll sends the workers away and keeps the supervisor.
func (s *Supervisor) drainAll() {
	if s.stopping != running || s.paused() {
		return
	}
	s.abandon(errors.New("the workers were sent away"))
	s.resize(0)
}
