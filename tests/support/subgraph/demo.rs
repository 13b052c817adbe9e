//! The demo's two subgraphs: employees, and what they sell.

use super::{Call, Graph, Resolved};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The year the demo lives in; `seniority` counts up to it.
const THIS_YEAR: i64 = 2026;

/// Serves `employees.graphql`: employees 1 to 12 and two robots.
pub fn employees(sdl: &str) -> Graph {
    let staff = Table::new(PEOPLE.iter().map(employee).collect());
    let (one, all, team, mates, lead, renamed) =
        (staff.clone(), staff.clone(), staff.clone(), staff.clone(), staff.clone(), staff.clone());
    Graph::new(sdl)
        .field("Query", "employee", move |call| Ok(one.find("id", &call.arguments["id"])))
        .field("Query", "employees", move |_| Ok(all.rows().clone().into()))
        .field("Query", "team", move |_| Ok([team.rows().clone(), robots()].concat().into()))
        .field("Query", "teammates", move |call| Ok(mates.matching(&call.arguments["filter"])))
        .field("Query", "lead", move |_| {
            let mut lead = lead.find("id", &json!(1));
            lead["nickname"] = nickname(1);
            Ok(lead)
        })
        .field("Mutation", "renameEmployee", move |call| renamed.rename(call))
        .entity("Employee", move |key| Ok(staff.find("id", &key["id"])))
        .entity("Robot", |key| Ok(find(robots(), "serial", &key["serial"])))
}

/// Serves `products.graphql`: two products, two services, and who owns what.
pub fn products(sdl: &str) -> Graph {
    let notes = Table::new(Vec::new());
    let added = notes.clone();
    Graph::new(sdl)
        .field("Query", "products", |_| Ok(of_type("Product").into()))
        .field("Query", "product", |call| Ok(offer("Product", call.arguments)))
        .field("Query", "offers", |_| Ok(offers().into()))
        .field("Query", "catalogue", |_| Ok(offers().into()))
        .field("Mutation", "addNote", move |call| {
            let id = &call.arguments["employeeID"];
            added.rows().insert(0, json!({ "id": id, "text": call.arguments["text"] }));
            Ok(json!({ "__typename": "Employee", "id": id }))
        })
        .field("Employee", "nickname", |call| Ok(call.parent["id"].as_i64().map_or(Value::Null, nickname)))
        .field("Employee", "notes", move |call| Ok(notes.find("id", &call.parent["id"])["text"].clone()))
        .field("Employee", "products", |call| Ok(owned_by(&call.parent["id"])))
        .field("Employee", "seniority", seniority)
        .entity("Employee", |key| Ok(Value::Object(key.clone())))
        .entity("Robot", |key| Ok(json!({ "serial": key["serial"], "firmware": "4.2" })))
        .entity("Product", |key| Ok(offer("Product", key)))
        .entity("Service", |key| Ok(offer("Service", key)))
}

struct Person(i64, &'static str, &'static str, &'static str, &'static str, i64, Option<&'static str>);

#[rustfmt::skip]
const PEOPLE: &[Person] = &[
    Person(1, "Anu", "Tamm", "Tallinn", "ENGINEERING", 2016, Some("HAPPY")),
    Person(2, "Mart", "Saar", "Tartu", "MARKETING", 2017, None),
    Person(3, "Kadri", "Sepp", "Tallinn", "ENGINEERING", 2018, Some("SAD")),
    Person(4, "Jaan", "Mägi", "Narva", "OPERATIONS", 2018, Some("HAPPY")),
    Person(5, "Liis", "Kask", "Riga", "ENGINEERING", 2019, None),
    Person(6, "Toomas", "Kukk", "Tallinn", "MARKETING", 2019, Some("HAPPY")),
    Person(7, "Piret", "Rebane", "Tartu", "ENGINEERING", 2020, Some("SAD")),
    Person(8, "Andres", "Ilves", "Helsinki", "OPERATIONS", 2021, None),
    Person(9, "Maarja", "Pärn", "Tallinn", "ENGINEERING", 2022, Some("HAPPY")),
    Person(10, "Rein", "Koppel", "Riga", "MARKETING", 2023, Some("HAPPY")),
    Person(11, "Tiina", "Lepik", "Tallinn", "ENGINEERING", 2024, None),
    Person(12, "Urmas", "Vaher", "Narva", "SECRET", 2025, Some("SAD")),
];

fn employee(person: &Person) -> Value {
    let Person(id, forename, surname, city, department, year, mood) = person;
    let country = match *city {
        "Riga" => "Latvia",
        "Helsinki" => "Finland",
        _ => "Estonia",
    };
    json!({
        "__typename": "Employee",
        "id": id,
        "details": {
            "forename": forename,
            "surname": surname,
            "location": { "city": city, "country": country },
        },
        "role": { "title": ["Engineer", "Lead"], "departments": [department] },
        "startYear": year,
        "updatedAt": "2026-01-01T00:00:00Z",
        "currentMood": mood,
        "isAvailable": id % 2 == 0,
        "payrollNumber": format!("P-{id:03}"),
        "phone": format!("+372 555 {id:04}"),
    })
}

fn robots() -> Vec<Value> {
    vec![
        json!({ "__typename": "Robot", "serial": "R-1", "label": "Coffee" }),
        json!({ "__typename": "Robot", "serial": "R-2", "label": "Parcels" }),
    ]
}

fn nickname(id: i64) -> Value {
    PEOPLE
        .iter()
        .find(|it| it.0 == id)
        .map_or(Value::Null, |it| json!(format!("{}-{id}", it.1.to_lowercase())))
}

fn offers() -> Vec<Value> {
    vec![
        json!({ "__typename": "Product", "id": "p1", "tag": "new", "name": "Kettle", "weight": 1.5, "owner": owner(1) }),
        json!({ "__typename": "Product", "id": "p2", "tag": "old", "name": "Anvil", "weight": 40.0, "owner": owner(3) }),
        json!({ "__typename": "Service", "id": "s1", "tag": "new", "name": "Repair", "hourlyRate": 60.0 }),
        json!({ "__typename": "Service", "id": "s2", "tag": "old", "name": "Advice", "hourlyRate": null }),
    ]
}

fn owner(id: i64) -> Value {
    json!({ "__typename": "Employee", "id": id })
}

fn of_type(type_name: &str) -> Vec<Value> {
    offers().into_iter().filter(|it| it["__typename"] == type_name).collect()
}

fn offer(type_name: &str, key: &Map<String, Value>) -> Value {
    find(of_type(type_name).into_iter().filter(|it| it["tag"] == key["tag"]).collect(), "id", &key["id"])
}

fn owned_by(id: &Value) -> Value {
    of_type("Product").into_iter().filter(|it| it["owner"]["id"] == *id).collect()
}

fn seniority(call: &Call<'_>) -> Resolved {
    let start = call.parent["startYear"].as_i64().ok_or("seniority needs startYear.")?;
    let per_year = if call.arguments["unit"] == "MONTHS" { 12 } else { 1 };
    Ok(json!((THIS_YEAR - start) * per_year))
}

fn find(rows: Vec<Value>, key: &str, value: &Value) -> Value {
    rows.into_iter().find(|it| it[key] == *value).unwrap_or(Value::Null)
}

/// Rows that resolvers share and mutations change.
#[derive(Clone)]
struct Table(Arc<Mutex<Vec<Value>>>);

impl Table {
    fn new(rows: Vec<Value>) -> Self {
        Self(Arc::new(Mutex::new(rows)))
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &str, value: &Value) -> Value {
        find(self.rows().clone(), key, value)
    }

    /// Employees of a department, and of a city if one is asked for.
    fn matching(&self, filter: &Value) -> Value {
        let (department, city) = (&filter["department"], filter["city"].as_str());
        let mates = self.rows().clone().into_iter().filter(|it| {
            let departments = it["role"]["departments"].as_array();
            (department.is_null() || departments.is_some_and(|it| it.contains(department)))
                && city.is_none_or(|city| it["details"]["location"]["city"] == city)
        });
        mates.collect()
    }

    fn rename(&self, call: &Call<'_>) -> Resolved {
        let mut rows = self.rows();
        let Some(row) = rows.iter_mut().find(|it| it["id"] == call.arguments["id"]) else {
            return Ok(Value::Null);
        };
        row["details"]["forename"] = call.arguments["forename"].clone();
        Ok(row.clone())
    }
}
