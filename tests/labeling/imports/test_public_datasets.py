"""Each public data set of docs/datasets.md, as a small twin with the columns, names and folders of the real one."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings

from images.facts import parse_facts
from images.services.meaning import Classes
from labeling.imports import arrays, dialects
from labeling.imports.understanding import Understanding, find_tables, understand
from tests.labeling.imports.sets import opened

CHEXPERT = "No Finding,Cardiomegaly,Pneumonia,Support Devices"


def known(
    files: dict[str, str], pictures: list[str], classes: list[str], dialect: str = dialects.AUTO
) -> Understanding:
    paths = [*files, *pictures]
    tables = [(path, opened(files[path].encode())) for path in find_tables(paths)]
    return understand(tables, paths, Classes(classes), dialect)


# name: (tables, pictures, classes, labels in the order of the pictures, some facts by picture)
TWINS: dict[str, tuple[dict[str, str], list[str], list[str], list[str | None], dict[int, dict[str, str]]]] = {
    "ham10000": (
        {
            "HAM10000_metadata.csv": "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
            "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp\n"
            "HAM_0000118,ISIC_0025030,bkl,histo,80.0,male,scalp\n"
            "HAM_0001466,ISIC_0031633,nv,histo,,female,ear\n",
            "hmnist_8_8_L.csv": "pixel0000,pixel0001,label\n1,2,3\n",
        },
        ["HAM10000_images_part_1/ISIC_0027419.jpg", "HAM10000_images_part_2/ISIC_0025030.jpg",
         "HAM10000_images_part_2/ISIC_0031633.jpg"],
        ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"],
        ["bkl", "bkl", "nv"],
        {0: {"patient": "HAM_0000118", "age": "80.0", "sex": "male", "body_part": "scalp"}},
    ),
    "isic": (
        {
            "ISIC_2019_Training_GroundTruth.csv": "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
            "ISIC_0000000,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\nISIC_0000001,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n",
            "ISIC_2019_Training_Metadata.csv": "image,age_approx,anatom_site_general,lesion_id,sex\n"
            "ISIC_0000000,55.0,anterior torso,,female\nISIC_0000001,30.0,,IL_7,male\n",
        },
        ["ISIC_2019_Training_Input/ISIC_0000000.jpg", "ISIC_2019_Training_Input/ISIC_0000001.jpg"],
        ["MEL", "NV"],
        ["NV", "MEL"],
        {0: {"age": "55.0", "body_part": "anterior torso"}, 1: {"patient": "IL_7"}},
    ),
    "nih": (
        {
            "Data_Entry_2017.csv": "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
            "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
            "00000001_000.png,Cardiomegaly,0,1,058Y,M,PA,2682,2749,0.143,0.143,\n"
            "00000001_001.png,Cardiomegaly|Emphysema,1,1,058Y,M,PA,2894,2729,0.143,0.143,\n"
            "00000002_000.png,No Finding,0,2,081Y,M,AP,2500,2048,0.171,0.171,\n",
            "train_val_list.txt": "00000001_000.png\n00000001_001.png\n",
            "test_list.txt": "00000002_000.png",
        },
        ["images_001/images/00000001_000.png", "images_001/images/00000001_001.png",
         "images_001/images/00000002_000.png"],
        ["No Finding", "Cardiomegaly"],
        ["Cardiomegaly", None, "No Finding"],
        {0: {"patient": "1", "age": "58", "view": "PA", "split": "train"}, 1: {"patient": "1"}, 2: {"split": "test"}},
    ),
    "chexpert": (
        {
            "CheXpert-v1.0-small/train.csv": f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT}\n"
            "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,1.0\n"
            "CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg,Male,87,Frontal,AP,,,-1.0,\n"
            "CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg,Male,87,Frontal,AP,,0.0,1.0,\n",
            "CheXpert-v1.0-small/valid.csv": f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT}\n"
            "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,0.0,1.0,0.0,0.0\n",
        },
        ["CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg",
         "CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg",
         "CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg",
         "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg"],
        ["No Finding", "Pneumonia"],
        ["No Finding", None, "Pneumonia", None],
        {0: {"patient": "patient00001", "study": "study1", "split": "train", "age": "68", "view": "AP"},
         2: {"patient": "patient00002", "study": "study2"}, 3: {"split": "val"}},
    ),
    "mimic-cxr": (
        {
            "mimic-cxr-2.0.0-chexpert.csv": f"subject_id,study_id,{CHEXPERT}\n"
            "10000032,50414267,1.0,,,\n10000032,53189527,,,1.0,\n10000764,57375967,,,-1.0,\n",
            "mimic-cxr-2.0.0-split.csv": "dicom_id,study_id,subject_id,split\n"
            "02aa804e,50414267,10000032,train\n174413ec,50414267,10000032,train\n2a2277a9,53189527,10000032,train\n"
            "096052b7,57375967,10000764,validate\n",
            "mimic-cxr-2.0.0-metadata.csv": "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition\n"
            "02aa804e,10000032,50414267,CHEST,PA\n174413ec,10000032,50414267,CHEST,LATERAL\n",
        },
        ["files/p10/p10000032/s50414267/02aa804e.jpg", "files/p10/p10000032/s50414267/174413ec.jpg",
         "files/p10/p10000032/s53189527/2a2277a9.jpg", "files/p10/p10000764/s57375967/096052b7.jpg"],
        ["No Finding", "Pneumonia"],
        ["No Finding", "No Finding", "Pneumonia", None],
        {0: {"patient": "10000032", "study": "50414267", "split": "train", "view": "PA"},
         2: {"study": "53189527"}, 3: {"patient": "10000764", "split": "val"}},
    ),
    "rsna-pneumonia": (
        {
            "stage_2_train_labels.csv": "patientId,x,y,width,height,Target\n0004cfab,,,,,0\n"
            "00436515,264.0,152.0,213.0,379.0,1\n00436515,562.0,152.0,256.0,453.0,1\n"
        },
        ["stage_2_train_images/0004cfab.dcm", "stage_2_train_images/00436515.dcm"],
        ["Normal", "Lung Opacity"],
        ["Normal", "Lung Opacity"],
        {1: {"patient": "00436515"}},
    ),
    "aptos": (
        {
            "train.csv": "id_code,diagnosis\n000c1434d8d7,2\n001639a390f0,4\n0024cdab0c1e,0\n",
            "test.csv": "id_code\n0005cfc8afb6\n",
            "sample_submission.csv": "id_code,diagnosis\n000c1434d8d7,0\n",
        },
        ["train_images/000c1434d8d7.png", "train_images/001639a390f0.png", "train_images/0024cdab0c1e.png"],
        ["No DR", "Mild", "Moderate", "Severe", "Proliferative DR"],
        ["Moderate", "Proliferative DR", "No DR"],
        {},
    ),
    "eyepacs": (
        {"trainLabels.csv": "image,level\n10_left,0\n10_right,3\n"},
        ["train/10_left.jpeg", "train/10_right.jpeg"],
        ["0", "1", "2", "3", "4"],
        ["0", "3"],
        {},
    ),
    "vindr-mammo": (
        {
            "breast-level_annotations.csv": "study_id,series_id,laterality,view_position,height,width,image_id,breast_birads,"
            "breast_density,split\nb8d273e8,dac39351,L,CC,3518,2800,d8205a09,BI-RADS 2,DENSITY C,training\n"
            "8269f5ec,9be4ad3f,R,MLO,3518,2800,3c22491b,BI-RADS 4,DENSITY C,test\n",
            "metadata.csv": "SOP Instance UID,Patient's Age\nd8205a09,053Y\n",
        },
        ["images/b8d273e8/d8205a09.dicom", "images/8269f5ec/3c22491b.dicom"],
        [f"BI-RADS {number}" for number in range(1, 6)],
        ["BI-RADS 2", "BI-RADS 4"],
        {0: {"study": "b8d273e8", "series": "dac39351", "split": "train", "laterality": "L", "view": "CC"}, 1: {"split": "test"}},
    ),
    "vindr-cxr": (
        {
            "image_labels_train.csv": "image_id,rad_id,Cardiomegaly,Pneumonia,No finding\n"
            "051132a7,R1,0,0,1\n051132a7,R2,0,0,1\n051132a7,R3,0,0,1\n"
            "063319de,R1,0,1,0\n063319de,R2,1,0,0\n063319de,R3,0,1,0\n"
        },
        ["train/051132a7.dicom", "train/063319de.dicom"],
        ["No finding", "Pneumonia"],
        ["No finding", None],
        {},
    ),
    "cbis-ddsm": (
        {
            "mass_case_description_train_set.csv": "patient_id,breast_density,left or right breast,image view,abnormality id,"
            "abnormality type,assessment,pathology,subtlety,image file path,ROI mask file path\n"
            "P_00001,3,LEFT,CC,1,mass,4,MALIGNANT,4,Mass-Training_P_00001_LEFT_CC/1.3.6.1/1.3.6.2/000000.dcm,x\n"
            "P_00004,3,LEFT,CC,1,mass,4,BENIGN,3,Mass-Training_P_00004_LEFT_CC/1.3.6.3/1.3.6.4/000000.dcm,x\n"
            "P_00004,3,LEFT,CC,2,mass,4,MALIGNANT,3,Mass-Training_P_00004_LEFT_CC/1.3.6.3/1.3.6.4/000000.dcm,x\n",
            "calc_case_description_test_set.csv": "patient_id,breast density,left or right breast,image view,abnormality id,"
            "pathology,image file path\n"
            'P_00038,2,RIGHT,MLO,1,BENIGN,"Calc-Test_P_00038_RIGHT_MLO/1.3.6.5/1.3.6.6/000000.dcm\n"\n',
        },
        ["CBIS-DDSM/Mass-Training_P_00001_LEFT_CC/07-20-2016-DDSM-30825/1.000000-full mammogram images-93061/1-1.dcm",
         "CBIS-DDSM/Mass-Training_P_00004_LEFT_CC/07-20-2016-DDSM-49627/1.000000-full mammogram images-37679/1-1.dcm",
         "CBIS-DDSM/Calc-Test_P_00038_RIGHT_MLO/08-29-2017-DDSM-13001/1.000000-full mammogram images-62371/1-1.dcm"],
        ["BENIGN", "MALIGNANT", "BENIGN_WITHOUT_CALLBACK"],
        ["MALIGNANT", None, "BENIGN"],
        {0: {"patient": "P_00001", "split": "train", "laterality": "LEFT", "view": "CC"}, 2: {"split": "test"}},
    ),
    "padchest": (
        {
            "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv": ",ImageID,ImageDir,StudyID,PatientID,PatientSex_DICOM,"
            "Projection,Labels\n0,2049_a.png,0,2049,8376,M,PA,\"['pulmonary fibrosis', ' kyphosis']\"\n"
            "1,1147_b.png,0,1147,1216,F,L,['normal']\n2,1147_c.png,0,1147,1216,F,PA,\n"
        },
        ["0/2049_a.png", "0/1147_b.png", "0/1147_c.png"],
        ["normal", "cardiomegaly"],
        [None, "normal", None],
        {1: {"patient": "1216", "study": "1147", "sex": "F", "view": "L"}, 2: {"study": "1147"}},
    ),
    "one-hot": (
        {"ground_truth.csv": "file_name,healthy,ill,age\n1.png,1,0,50\n2.png,0,1,60\n"},
        ["pictures/1.png", "pictures/2.png"],
        ["healthy", "ill"],
        ["healthy", "ill"],
        {1: {"age": "60"}},
    ),
    "breakhis": (
        {},
        ["BreaKHis_v1/histology_slides/breast/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/SOB_B_A-14-22549AB-40-001.png",
         "BreaKHis_v1/histology_slides/breast/malignant/SOB/ductal_carcinoma/SOB_M_DC_14-11031/100X/"
         "SOB_M_DC-14-11031-100-001.png"],
        ["benign", "malignant"],
        ["benign", "malignant"],
        {0: {"patient": "14-22549AB"}},
    ),
    "kermany-oct": (
        {},
        ["OCT2017/train/CNV/CNV-1016042-1.jpeg", "OCT2017/train/CNV/CNV-1016042-2.jpeg",
         "OCT2017/val/NORMAL/NORMAL-5171640-1.jpeg"],
        ["CNV", "DME", "DRUSEN", "NORMAL"],
        ["CNV", "CNV", "NORMAL"],
        {0: {"patient": "1016042"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("dialect", [dialects.AUTO, "by its name"])
@pytest.mark.parametrize("name", TWINS)
def test_the_data_set_is_read_as_it_is_published(name, dialect):
    files, pictures, classes, labels, facts = TWINS[name]
    found = known(files, pictures, classes, name if dialect != dialects.AUTO else dialect)
    assert found.dialect == name
    assert {problem.code for problem in found.problems} <= {"unused_table"}
    assert [found.by_path[path].label for path in pictures] == labels
    assert not any(stated.refusal for stated in found.by_path.values())
    for number, values in facts.items():
        assert values.items() <= found.by_path[pictures[number]].values.items()
    for stated in found.by_path.values():
        parse_facts(stated.values)


@pytest.mark.parametrize(
    ("name", "number", "code", "says"),
    [
        ("nih", 1, "several_labels", "Cardiomegaly, Emphysema"),
        ("chexpert", 1, "uncertain_label", "Pneumonia"),
        ("mimic-cxr", 3, "uncertain_label", "Pneumonia"),
        ("vindr-cxr", 1, "contradictory_row", "none of the classes"),
        ("cbis-ddsm", 1, "contradictory_row", "'BENIGN'"),
        ("padchest", 0, "several_labels", "kyphosis"),
    ],
)
def test_why_a_picture_has_no_label_is_said(name, number, code, says):
    files, pictures, classes, *_ = TWINS[name]
    notes = dict(known(files, pictures, classes).by_path[pictures[number]].notes)
    assert says in notes[code]


def test_columns_that_may_both_be_the_label_are_refused_where_both_hold_classes():
    files, pictures, *_ = TWINS["vindr-mammo"]
    found = known(files, pictures, ["BI-RADS 2", "DENSITY C"])
    assert not found.by_path and "breast_birads and breast_density" in found.problems[-1].detail
    assert [stated.label for stated in known(files, pictures, ["DENSITY B", "DENSITY C"]).by_path.values()] == [
        "DENSITY C", "DENSITY C",
    ]  # fmt: skip


def test_another_dialect_is_refused_with_the_columns_it_needs():
    files, pictures, classes, *_ = TWINS["aptos"]
    found = known(files, pictures, classes, "nih")
    assert not found.by_path and "finding labels, image index" in found.problems[-1].detail


def test_files_of_several_data_sets_at_once_are_refused():
    found = known({"both.csv": "image_id,id_code,diagnosis,image,level\n"}, ["a.png"], ["A", "B"])
    assert "aptos, eyepacs" in found.problems[0].detail


def test_medmnist():
    out = io.BytesIO()
    np.savez(
        out,
        train_images=np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28),
        train_labels=np.array([[0], [1]], np.uint8),
    )
    archive = zipfile.ZipFile(out)
    found = arrays.understand(archive.read, archive.namelist(), Classes(["malignant", "normal, benign"]))
    assert [stated.label for stated in found.by_path.values()] == ["malignant", "normal, benign"]


def documented() -> list[str]:
    text = (Path(settings.BASE_DIR) / "docs" / "datasets.md").read_text()
    return re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)


def test_the_document_has_a_row_for_every_dialect_and_each_has_a_twin():
    names: list[Any] = documented()
    assert sorted(names) == sorted(set(dialects.NAMES) - {dialects.AUTO})
    assert set(names) == {*TWINS, "plain", "medmnist"}


@pytest.mark.parametrize("name", TWINS)
def test_what_is_said_of_a_scan_holds_before_it_came_in_and_after(name):
    files, pictures, classes, *_ = TWINS[name]
    for stated in known(files, pictures, classes).by_path.values():
        for _, detail in stated.notes:
            assert not {"came", "was", "were"} & set(detail.split())
