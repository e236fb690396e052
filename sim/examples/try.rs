//! A throwaway driver.
fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap();
    let from: u64 = args.next().map_or(1, |s| s.parse().unwrap());
    let to: u64 = args.next().map_or(from + 1, |s| s.parse().unwrap());
    let scenario = swarm_scenarios::load(std::path::Path::new(&file)).unwrap();
    for seed in from..to {
        let out = swarm_sim::world::run(&scenario, seed, Default::default()).unwrap();
        if to == from + 1 {
            println!(
                "{}",
                swarm_reports::render::human::run(&out.report, swarm_reports::render::human::Style { color: false })
            );
        } else {
            println!(
                "{seed} {:?} {:?} {}ms dl={} env={} {:?}",
                out.report.verdict,
                out.report.needs,
                out.report.real_ns.0 / 1000000,
                out.report.deliveries,
                out.report.envelopes,
                out.report.refused
            );
        }
        for (k, v) in &out.judgement.properties {
            if v.violations > 0 || !v.unknown.is_empty() {
                println!("{k} {:?} {} {:?}", v.verdict, v.checked, v.unknown);
                for c in &v.contradictions {
                    println!("   {} :: {:?}", c.what, c.records);
                }
            }
        }
    }
}
