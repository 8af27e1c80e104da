package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Print writes the figures as a table.
func Print(out io.Writer, all []Figures) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "scenario\tper second\tCPU µs each\tallocations\tp50\tp99\tmax\tMB\tlost\tdoubled\tcompared\t")
	for _, f := range all {
		if f.Missing != "" {
			continue
		}
		compared := ""
		if f.Against != "" {
			compared = fmt.Sprintf("%.1f × the CPU, %.2f × the rate of %s", f.CPURatio, f.RateRatio, f.Against)
		}
		_, _ = fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t\n",
			f.Scenario, f.Rate, f.CPU, known("%.2f", f.Allocations), ms(f.P50), ms(f.P99), ms(f.Max), known("%.0f", f.Peak), f.Lost, f.Doubled, compared)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	_, _ = fmt.Fprintln(out)
	for _, f := range all {
		what := f.What
		if f.Missing != "" {
			what += ": " + f.Missing
		}
		if _, err := fmt.Fprintf(out, "%-18s %s\n", f.Scenario, what); err != nil {
			return fmt.Errorf("writing the table: %w", err)
		}
	}
	return nil
}

// known writes a figure, or a dash for one that nobody could see.
func known(format string, value float64) string {
	if value == 0 {
		return "–"
	}
	return fmt.Sprintf(format, value)
}

func ms(value float64) string { return known("%.2f ms", value) }
