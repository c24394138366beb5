// The answers of a reload, which wait until its old workers accept no more.

package supervisor

import (
	"slices"
	"time"
)

// farewell holds the answers of a reload until its old workers accept no more: who
// asked for it will try the new code next.
type farewell struct {
	answers []chan<- error
	from    map[*worker]bool
}

const farewellTime = 3 * time.Second // for the word of workers that are busy

// answerLater answers when each worker of another generation has said that it
// drains, or has ended.
func (s *Supervisor) answerLater(answers []chan<- error) {
	f := &farewell{answers, map[*worker]bool{}}
	for _, w := range s.workers {
		if w.gen != s.gen && w.proc != nil && !w.deaf && w.gen.cfg.App.Kind.contract() {
			f.from[w] = true
		}
	}
	s.farewells = append(s.farewells, f)
	time.AfterFunc(farewellTime, func() {
		s.post(message{do: func() {
			for w := range f.from {
				w.deaf = true // or as good as that
			}
			clear(f.from)
			s.bid(nil)
		}})
	})
	s.bid(nil)
}

// bid notes that w accepts no more, and gives the answers that waited for it.
func (s *Supervisor) bid(w *worker) {
	s.farewells = slices.DeleteFunc(s.farewells, func(f *farewell) bool {
		delete(f.from, w)
		if len(f.from) > 0 {
			return false
		}
		for _, answer := range f.answers {
			answerTo(answer, nil)
		}
		return true
	})
}
