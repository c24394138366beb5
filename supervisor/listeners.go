// The listeners of all generations: bound for one, changed, dropped when none needs them.

package supervisor

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// bindAll gives gen its listeners: those that are there already, and are made again if
// their files have vanished, and new ones, which it returns. After an error none of the new ones is left.
func (s *Supervisor) bindAll(gen *generation) (bound []*listener, err error) {
	for _, spec := range gen.cfg.Listeners {
		l := s.listener(spec.Worker.Address)
		if l == nil {
			if l, err = s.sys.bind(spec, gen.cfg.App.Kind.blocking()); err != nil {
				s.closeListeners(bound)
				gen.listeners = nil
				return nil, err
			}
			bound = append(bound, l)
			s.listeners = append(s.listeners, l)
			s.log.Info("listening", "listener", l.address)
			l.advise(s.log)
		} else if err = s.restore(l, gen.cfg.App.Kind.blocking()); err != nil {
			s.closeListeners(bound)
			gen.listeners = nil
			return nil, err
		}
		gen.listeners = append(gen.listeners, l)
	}
	return bound, nil
}

// changeListeners gives the sockets of the generation in force the attributes that
// it asks for. all: also those that look as they should.
func (s *Supervisor) changeListeners(all bool) {
	for i, l := range s.gen.listeners {
		spec := s.gen.cfg.Listeners[i]
		changed := all || l.spec.names.wrong != nil || l.spec.Mode != spec.Mode || l.spec.Owner != spec.Owner || l.spec.Group != spec.Group || l.spec.Backlog != spec.Backlog
		l.spec = spec
		if !changed || l.fd < 0 {
			continue
		}
		if err := l.change(); err != nil {
			s.log.Warn("listener keeps its old attributes", "listener", l.address, "error", err)
		}
		l.advise(s.log)
	}
}

// change applies the attributes to a socket in use.
func (l *listener) change() error {
	if l.path != "" {
		if err := l.permit(l.path); err != nil {
			return err
		}
	}
	if l.foreign && l.spec.Backlog == 0 {
		return nil // whoever opened it chose
	}
	return unix.Listen(l.fd, l.backlog())
}

func (s *Supervisor) listener(address string) *listener {
	for _, l := range s.listeners {
		if l.address == address {
			return l
		}
	}
	return nil
}

// dropListeners unlinks what the generation in force does not use and closes what
// none uses.
func (s *Supervisor) dropListeners() {
	for _, l := range slices.Clone(s.listeners) {
		if slices.Contains(s.gen.listeners, l) || s.reloading != nil && s.reloading.gen != nil && slices.Contains(s.reloading.gen.listeners, l) {
			continue
		}
		if err := l.unlink(); err != nil {
			s.log.Warn("socket file stays", "listener", l.address, "error", err)
		}
		if !slices.ContainsFunc(s.generations, func(g *generation) bool { return slices.Contains(g.listeners, l) }) {
			s.closeListeners([]*listener{l})
		}
	}
}

// closeListeners closes them and forgets them.
func (s *Supervisor) closeListeners(list []*listener) error {
	var errs []error
	for _, l := range slices.Clone(list) {
		errs = append(errs, l.close())
		s.listeners = slices.DeleteFunc(s.listeners, func(o *listener) bool { return o == l })
	}
	return errors.Join(errs...)
}

// dropped says that w has a listener that its successors do not have: what waits
// there must be served by w.
func (s *Supervisor) dropped(w *worker) bool {
	return slices.ContainsFunc(w.gen.listeners, func(l *listener) bool { return !slices.Contains(s.gen.listeners, l) })
}
