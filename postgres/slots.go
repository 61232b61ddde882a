package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
)

// slotName is what PostgreSQL takes for one (PostgreSQL documentation,
// "Querying and Manipulating Replication Slots").
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// SyncSlots makes the physical slots of members those wanted, on a primary or a
// standby that runs: missing ones are created, unused ones that are behind are
// moved, one that has lost its WAL is made anew. Those in gone are dropped.
// Slots that somebody uses, logical ones, and all that aren't named stay as they
// are. It goes on after an error and returns all of them.
func (s *Server) SyncSlots(ctx context.Context, wanted []WantedSlot, gone []string) error {
	pm, err := s.running()
	if err == nil && pm == nil {
		err = errors.New("the server doesn't run")
	}
	if err == nil {
		err = s.queryOn(ctx, &s.errands, pm, func(conn *pgx.Conn) error { return syncSlots(ctx, conn, wanted, gone) })
	}
	if err != nil {
		return fmt.Errorf("postgres: synchronise slots: %w", err)
	}
	return nil
}

type slotState struct {
	Name, Type string
	Active     bool
	Restart    *string // restart_lsn
	WALStatus  *string // from version 13 on
}

func syncSlots(ctx context.Context, conn *pgx.Conn, wanted []WantedSlot, gone []string) error {
	slots, err := readSlots(ctx, conn)
	if err != nil {
		return err
	}
	var errs []error
	for _, w := range wanted {
		if !slotName.MatchString(w.Name) {
			errs = append(errs, fmt.Errorf("slot %q: a name has 1 to 63 of a to z, 0 to 9 and _", w.Name))
			continue
		}
		if err := syncSlot(ctx, conn, slots[w.Name], w); err != nil {
			errs = append(errs, fmt.Errorf("slot %q: %w", w.Name, err))
		}
	}
	for _, name := range gone {
		if state := slots[name]; state == nil || state.Active || state.Type != "physical" {
			continue
		}
		if err := dropSlot(ctx, conn, name); err != nil {
			errs = append(errs, fmt.Errorf("slot %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func readSlots(ctx context.Context, conn *pgx.Conn) (map[string]*slotState, error) {
	rows, err := conn.Query(ctx, `SELECT slot_name::text, slot_type, active, restart_lsn::text, to_jsonb(s)->>'wal_status'
		FROM pg_replication_slots s WHERE NOT temporary`)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[slotState])
	slots := make(map[string]*slotState, len(list))
	for _, state := range list {
		slots[state.Name] = state
	}
	return slots, err
}

func syncSlot(ctx context.Context, conn *pgx.Conn, state *slotState, w WantedSlot) error {
	if state != nil && state.Type != "physical" {
		return errors.New("it is a logical one: a member's name must not be another slot's")
	}
	if state != nil && state.Active {
		return nil
	}
	if state != nil && (state.Restart == nil || state.WALStatus != nil && *state.WALStatus == "lost") {
		if err := dropSlot(ctx, conn, w.Name); err != nil {
			return err
		}
		state = nil
	}
	at := LSN(0)
	if state == nil {
		var created *string
		err := conn.QueryRow(ctx, `SELECT lsn::text FROM pg_create_physical_replication_slot($1, true)`, w.Name).Scan(&created)
		if isSQLState(err, duplicateObject) {
			return nil
		}
		if err != nil {
			return err
		}
		at = lsnOr0(created)
	} else {
		at = lsnOr0(state.Restart)
	}
	if w.Advance <= at {
		return nil
	}
	// It stops by itself at the end of what this server has.
	_, err := conn.Exec(ctx, `SELECT pg_replication_slot_advance($1, $2::text::pg_lsn)`, w.Name, w.Advance.String())
	if isSQLState(err, objectInUse, undefinedObject) {
		return nil // somebody was faster
	}
	return err
}

func dropSlot(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, `SELECT pg_drop_replication_slot($1)`, name)
	if isSQLState(err, objectInUse, undefinedObject) {
		return nil // used again, or gone already
	}
	return err
}
