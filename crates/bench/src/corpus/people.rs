//! Patients and study facts, drawn from lists; names in several scripts, all in ISO_IR 192 (UTF-8).

use crate::chance::Chance;

/// Family names. About one in six begins with *Ma*, which the fuzzy search asks for.
const FAMILIES: [&str; 36] = [
    "Martin",
    "Maier",
    "Marino",
    "Mazur",
    "Matos",
    "Madsen",
    "Müller",
    "Weiß",
    "Sørensen",
    "Novák",
    "Kowalski",
    "Nowak",
    "Dubois",
    "Lefèvre",
    "García",
    "Rossi",
    "Silva",
    "Kovács",
    "Yılmaz",
    "Virtanen",
    "Jensen",
    "Olsen",
    "Berg",
    "Fischer",
    "Keller",
    "Huber",
    "Smith",
    "Jones",
    "Taylor",
    "Brown",
    "Okafor",
    "Haddad",
    "Singh",
    "Chen",
    "Nguyen",
    "Kim",
];

/// Given names.
const GIVEN: [&str; 24] = [
    "Łukasz", "José", "Zoë", "Anna", "Peter", "Eva", "Jan", "Sofia", "David", "Elena", "Thomas", "Julia",
    "Daniel", "Laura", "Ibrahim", "Leila", "Chidi", "Priya", "Wei", "Linh", "Noah", "Emma", "Olga", "Hugo",
];

/// Names that are written the other way round, as a whole.
const WHOLE: [&str; 4] = ["山田^太郎", "山田^花子", "Παπαδόπουλος^Νίκος", "Иванова^Ольга"];

/// One patient.
#[derive(Debug, Clone)]
pub struct Patient {
    /// PatientID (0010,0020).
    pub id: String,
    /// PatientName (0010,0010).
    pub name: String,
    /// PatientBirthDate (0010,0030).
    pub birth_date: String,
    /// PatientSex (0010,0040).
    pub sex: &'static str,
}

impl Patient {
    /// The patient that a draw of chance gives.
    pub(super) fn draw(id: String, chance: &mut Chance) -> Self {
        let name = if chance.below(16) == 0 {
            chance.pick(&WHOLE).to_owned()
        } else {
            format!("{}^{}", chance.pick(&FAMILIES), chance.pick(&GIVEN))
        };
        Self {
            id,
            name,
            birth_date: date(chance, 1930, 80),
            sex: chance.pick(&["F", "M", "F", "M", "F", "M", "O"]),
        }
    }
}

/// A person who is not the patient (referring physician and the like).
pub(super) fn staff(chance: &mut Chance) -> String {
    format!("{}^{}^^Dr.", chance.pick(&FAMILIES), chance.pick(&GIVEN))
}

/// A date (DA) from the first year on, spread over some years.
pub(super) fn date(chance: &mut Chance, first_year: u64, years: u64) -> String {
    let (year, month, day) = (first_year + chance.below(years), 1 + chance.below(12), 1 + chance.below(28));
    format!("{year:04}{month:02}{day:02}")
}

/// A time of a working day (TM).
pub(super) fn time(chance: &mut Chance) -> String {
    let (hour, minute, second) = (7 + chance.below(12), chance.below(60), chance.below(60));
    format!("{hour:02}{minute:02}{second:02}.{:06}", chance.below(1_000_000))
}
