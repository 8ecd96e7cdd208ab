//! Plot of the effects along a locus, as SVG.
//!
//! The upper panel has the effect of each ALT on the logit. The lower panel has the root mean
//! square effect, by which variants are ranked. Input: rows of `explain.csv` of one locus. Output:
//! an SVG without scripts, fonts or links. The x axis is in kb on the contig.

use std::ops::Range;

use gf_cohort_schema::EffectRow;
use plotters::{
    coord::Shift,
    prelude::{
        BLACK, ChartBuilder, Circle, Color, DrawingArea, DrawingAreaErrorKind, EmptyElement,
        IntoDrawingArea, IntoFont, PathElement, RGBColor, SVGBackend, Text, WHITE,
    },
};

use gf_genotypes::Locus;

/// A plot that could not be drawn.
pub type Failed = DrawingAreaErrorKind<std::io::Error>;

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 640);
/// Width of the list of the top variants in pixels.
const LIST: u32 = 180;
/// Vermilion and grey differ for every type of colour vision and in print.
const TOP: RGBColor = RGBColor(213, 94, 0);
const OTHER: RGBColor = RGBColor(110, 110, 110);
/// Longest allele that is written out, in letters.
const ALLELE_LETTERS: usize = 8;

/// Draws one locus; the `n_top` variants of the highest ranks are labelled.
pub fn draw(locus: &Locus, rows: &[EffectRow], n_top: usize) -> Result<String, Failed> {
    let mut ranked: Vec<&EffectRow> = rows.iter().collect();
    ranked.sort_by_key(|row| row.rank);
    let top = &ranked[..n_top.min(ranked.len())];
    let mut svg = String::new();
    draw_on(
        &SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(),
        locus,
        &ranked,
        top,
    )?;
    Ok(svg)
}

fn draw_on(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    locus: &Locus,
    rows: &[&EffectRow],
    top: &[&EffectRow],
) -> Result<(), Failed> {
    area.fill(&WHITE)?;
    let area = area.titled(
        &format!("{} ({})", locus.name, locus.region()),
        ("sans-serif", 18),
    )?;
    let (plots, list) = area.split_horizontally(SIZE.0 - LIST);
    let (upper, lower) = plots.split_vertically(SIZE.1 / 2);
    panel(
        &upper,
        locus,
        "effect on the logit per copy of ALT",
        rows,
        top,
        effect_bar,
    )?;
    panel(
        &lower,
        locus,
        "root mean square of the effect",
        rows,
        top,
        rms_bar,
    )?;
    let font = ("sans-serif", 13).into_font();
    for (line, row) in top.iter().enumerate() {
        let text = format!(
            "{}  {} {}>{}",
            row.rank,
            row.position,
            short(&row.ref_allele),
            short(&row.alt_allele)
        );
        list.draw(&Text::new(text, (4, 20 + 18 * line as i32), font.clone()))?;
    }
    area.present()
}

/// A point and the ends of its bar.
struct Bar {
    point: f64,
    low: f64,
    high: f64,
}

/// Effect with its confidence interval.
fn effect_bar(row: &EffectRow) -> Bar {
    Bar {
        point: row.effect,
        low: row.ci_low.unwrap_or(row.effect),
        high: row.ci_high.unwrap_or(row.effect),
    }
}

/// Root mean square effect with a line to 0.
fn rms_bar(row: &EffectRow) -> Bar {
    Bar {
        point: row.effect_rms,
        low: row.effect_rms,
        high: 0.0,
    }
}

/// Draws one point and one bar per variant.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    locus: &Locus,
    name: &str,
    rows: &[&EffectRow],
    top: &[&EffectRow],
    bar: impl Fn(&EffectRow) -> Bar,
) -> Result<(), Failed> {
    let heights = range(rows.iter().flat_map(|row| {
        let Bar { point, low, high } = bar(row);
        [point, low, high]
    }));
    // Enough decimals to distinguish ten ticks.
    let n_decimals = (1.0 - (heights.end - heights.start).log10().floor()).clamp(2.0, 9.0) as usize;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(kb(locus.start0.get())..kb(locus.end0.get()), heights)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .x_desc(format!("position on {} (kb)", locus.contig))
        .y_desc(name)
        .x_label_formatter(&|kb| format!("{kb:.1}"))
        .y_label_formatter(&|value| format!("{value:.n_decimals$}"))
        .draw()?;
    // Top variants are drawn last, over all others.
    for row in rows.iter().rev() {
        let Bar { point, low, high } = bar(row);
        let x = kb(row.position);
        let is_top = top.iter().any(|top_row| top_row.rank == row.rank);
        let colour = if is_top { TOP } else { OTHER };
        chart.draw_series([PathElement::new(vec![(x, low), (x, high)], colour.mix(0.5))])?;
        let label = if is_top {
            row.rank.to_string()
        } else {
            String::new()
        };
        let font = ("sans-serif", 13).into_font().color(&BLACK);
        chart.draw_series([EmptyElement::at((x, point))
            + Circle::new((0, 0), 3, colour.filled())
            + Text::new(label, (5, -14), font)])?;
    }
    Ok(())
}

fn kb(position: usize) -> f64 {
    position as f64 / 1e3
}

/// Range of the values and 0, with room for labels.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let mut low = 0.0_f64;
    let mut high = 0.0_f64;
    for value in values {
        low = low.min(value);
        high = high.max(value);
    }
    let room = 0.1 * (high - low).max(1e-6);
    low - room..high + room
}

/// An allele, cut after [`ALLELE_LETTERS`].
fn short(allele: &str) -> String {
    if allele.len() <= ALLELE_LETTERS {
        allele.into()
    } else {
        format!("{}..", allele.get(..ALLELE_LETTERS).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gf_genotypes::{Position0, Strand};

    fn row(locus: &Locus, rank: usize) -> EffectRow {
        EffectRow {
            locus: locus.name.clone(),
            contig: locus.contig.clone(),
            position: 1_000 + 100 * rank,
            ref_allele: "A".into(),
            alt_allele: "ACGTACGTACGT".into(),
            frequency: 0.5,
            n_haplotypes: 1,
            n_approximated: 0,
            additive_effect: None,
            effect: 1.0 / rank as f64,
            ci_low: None,
            ci_high: None,
            effect_rms: 1.0,
            logit_sd: 0.5,
            rank,
        }
    }

    #[test]
    fn every_variant_has_a_point_in_both_panels_and_the_top_ones_are_named() {
        let locus = Locus {
            name: "L<1>".into(),
            contig: "chr1".into(),
            start0: Position0::new(1_000),
            end0: Position0::new(3_000),
            strand: Strand::Forward,
        };
        let rows: Vec<EffectRow> = (1..=7).map(|rank| row(&locus, rank)).collect();
        let svg = draw(&locus, &rows, 2).unwrap();
        assert_eq!(svg.matches("<circle").count(), 14);
        assert!(svg.contains("1100 A&gt;ACGTACGT.."), "{svg}");
        assert!(!svg.contains("1300 A"));
        assert!(svg.contains("L&lt;1&gt;") && !svg.contains("href") && !svg.contains("<script"));
        assert_eq!(svg, draw(&locus, &rows, 2).unwrap());
        assert!(draw(&locus, &[], 2).unwrap().contains("</svg>"));
    }
}
