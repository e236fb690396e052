fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap();
    let seeds: u64 = args.next().map_or(1, |s| s.parse().unwrap());
    let scenario = swarm_scenarios::load(std::path::Path::new(&file)).unwrap();
    for seed in 1..=seeds {
        let out = swarm_sim::world::run(&scenario, seed, Default::default()).unwrap();
        if seeds == 1 {
            println!(
                "{}",
                swarm_reports::render::human::run(&out.report, swarm_reports::render::human::Style { color: false })
            );
            for (k, v) in &out.judgement.properties {
                println!("{k} {:?} {} {:?}", v.verdict, v.checked, v.unknown);
                for c in &v.contradictions {
                    println!("{c:?}");
                }
            }
        } else {
            println!(
                "{seed} {:?} {:?} {}ms dl={} {:?}",
                out.report.verdict,
                out.report.needs,
                out.report.real_ns.0 / 1000000,
                out.report.deliveries,
                out.report.refused
            );
        }
    }
}
