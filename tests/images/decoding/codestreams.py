"""Codestreams that no library of MediScan can write, made once with imagecodecs 2026 (CharLS, OpenJPH, libjpeg-turbo).

All show `pattern()`, in 12 bits or, where the name ends in 8, in its upper 8 bits.
"""

import base64
from typing import Final

import numpy as np

ROWS: Final = 24
COLUMNS: Final = 20


def pattern() -> np.ndarray:
    """24 rows of 20 values from 0 to 4095, as the codestreams hold them."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    values: np.ndarray = ((x * 37 + y * 91 + ((x * y) % 13) * 17) % 4096).astype(np.uint16)
    return values


def codestream(name: str) -> bytes:
    """The codestream of that name."""
    return base64.b85decode(_CODESTREAMS[name])


_CODESTREAMS: Final = {
    "jpeg_ls": (
        "|JeWN03cIPNk&Eh0ssI30000O0000K3J?YX0003j0003j|L6b+00001|JeWc01FTR7yuLj0TBTI_y7$7|Nj6I07C&306_oR00;pA"
        "00000qD)DNF&;&b=rj0}5#(78gFl|m=QDd*Z5tz0(KA^rRtoiUwOEanKCP*xp`9Bgw|8e(M>ip_2%&UPjuJKza&d5PZb-"
        ">(E2_$>s6^onq|_pDLO4lSMX1whG)T-M)Nr^P>Cv!nKk$a{e`e}d5O24esm-uWEavmAVP_pm`=ay0+r8zb;qBK_yiB@N9VD_r;m3"
        "AifXiHlZB8P}#+C?7VcC|jD5X}xCbujW#){SMT0N-+7F1~ws}i|Dp(eZ{qcDPGu#*+Wm?0E#gfRDJ97f|-"
        "D*}S+#xw%HEk5ZdkdEz6p!`$2C7Kno5!wU02xG4u3}jjc-"
        "N{IH8;o$l_^(cW5dS8;A%pOWE<js*2q0KP2jSRy*N0)aa$JDFlVTJ?Xp$m@5MB{Nh_Wh*AvLiek4Ga=qv~<Q(IkphD3e4{bd@Agq"
        "E*8nk4GesinzSIy12Hqva+zSuA4Oa%F3#$iK4d3$i~LR!ad>$vXyG1;RYrq78V5&@!{Rs)M&)4_felETC;IZ&d#obP7rq@kqB-ww"
        "1h3<KXA3QX5^5_L>CcSwYd<9?E);E&NGDkTkR9M*#r`EG>9g+dtXURa@y>@T|9yovmVXHd=+tvPfGt%@<$Mviq=y(k?mtT(gG{N1"
        "o*&JuepvGqK+$Tg4np4(DZMR#5m##SsNAq6ycDT88NLoD=9CnVLutq86Yv^P4b-bnBC1hXvlrqjGdc|=ckF>(!ucm*#"
    ),
    "jpeg_ls_near_8": (
        "|JeWN03cIPNk&Eh0ssI30000O0000K3J3-"
        "P0003j0003j|L6b+00001|JeWc01F5J7yuLj0TBTI+5iXv0RRF30Nl^p&eV)%(XP@`h}6YXQi&Ld-As*?NSsb$QbbZjl63T`6N$z"
        "oTl&c(DJYRbKot~Fbdix_Rb)<qwS$Tx>BI!mG<J%6U}RaK)V1nb?Ui$!r#!{@)#h{A=UHVpik@Z4CdyLfNfOaB@{7?D1Ytf&A*T^"
        "3W%o!Nl%))_RLm?HXSL&4I2zUL9bN;Xs&)+j*#"
    ),
    "jpeg_extended": (
        "|JeWF01!$>Nk#wx0RR9200961|JwjV00IF40RaI50RaI50s;a81OoyB0s;jD1Oo&H1qKEN1qKEN2MGuU2MGrT1_%oX2?`1d3JL}Y"
        "3k(Yi3<(Mf3je_X3k(1l02BcM5di<h02TlN0RaF200000000000000B3Jw3n04NXu0Rsa92LS;90{{R3000030t5vC1{4Pq2nh=j"
        "5)~E-"
        "7yuU}|Jncu0RaF2KLE%<{84l=xL`*N8h14{z=f?ndCywFkaX%|1W!oRjzzZFt7gNZ)kl<BTR2kAA`D|YG$FI%zW^$gpPX)pW|3Z&"
        "u8-+F{{SvaBGF?ts&Q_Gde=;2;m!z;S1M;L-@k6$ZOyQew{Sv)if&L5o4QbGIuL|D<)zUP<>zSdk8d-"
        "P<$tA=3Hz0RE^BFtB!DU*1F9XA^UM&p8-"
        "pcChT|Zctx9cE6wS?AR2SouqupxWnnk3u`cKPWROXo4Hbez)Q9rTb=@0|Q$G2|&MXQrYqK$VNgy11gC4jBhN;+(0jR-"
        "<kes20acjH_0M78%{d0);4NJBXx8vXnvgcR)6!!;)bAPPBgKs=`Nf_T+yBDThXhJzgtgakA|UR*sEZZPj|6d*2*80C+x@8aF}QRf"
        "_3&Ktd!EfR#K!^JSUn~B4U27wh^D0`$xQBtgn@>;8t@rTiy^}ILe-j4qO6L-"
        "Y2AtbhNJK^WE2|kCzXdXUUm>C%g!P)P+!`bGxN)OGaMSJG2%@42gZ`gbL-"
        "B)L*^q8Ml>ma3E`(57^c;@eH?_xLK#LwBTcW?0rxp?$;y}t`kS2yu5(0fkj`u_m+-ha_}r2@?J`Kb+_+j|(F@?m4*Vy7Q`{{a8l"
    ),
    "jpeg_lossless_sv1": (
        "|JeWF01!$>Nk#wx0RR9200961|HA+a3;-"
        "Aa6afJd0RO}Q8UO(S0RaI40RR9100000000LF1_cBH4FB2y2mt{A0RRB}{{Z@3E|*KC(&==%T`rePrPAqix?L`nZ*8{QZMNHOw%c"
        "vC+ij(dw%cvC+ijN7(b3V-"
        "(dLwNbaZrir5zm|9UUEQVPRondRSOko|YCCC#8jjg^B55ZKb88Ev2L_rKByTq%EbTq%EbTZRzN7>F9Cjap~xB=yB=jap~xBZi}MJ"
        "XtLTYwu>#I%V@INE{iRq%V@Q_aQd7+rw^&a>Tvp;K0c=psl)1U`EISp)wuk9TaT-8`1-dWkE?O@Za*JZt=HTR1%1HaSKJN-eZb&w"
        "EA9sZzTj{c?Ee4{hr?(1d_EgL!{PAwZ2tfchr?(1R_+hKzrVk`gYWO}@9*y5`}_O*`&+zvold7ysnqIqI-O3ZQt|3_I-O3U-"
        "j_?I(&==%T`rePrPAqix?L`pOQl=eZMNHOw%cvC+ikYnX=81++ikYnWwdm3baZrir5zm|9Uf^%M@L6TM_X7}SXiEx78WO^g@uXfV"
        "PRondRSX&X=w{-X$xs-3u$Q!X=!N-"
        "X=z(}dK`Ls9C{pjdK`KjdU_msdK_D#=(5@@wu>#I%V@INEVhfH%V@INEpD7Xrw^&a>Tvp;KBo_lsl)1U`kX#nt8w*iKOa`(>fC-"
        "lt;gf)+<jY*$JMKK_XB}na5xqB1A$*~I2;Q5fxxf090j{S!{PAR{vQv9&+zzsJ{v#7;qcl1AOG0"
    ),
    "jpeg_lossless": (
        "|JeV;02}}T0RaI40RaI400000000071_%WN0|^2Q|HA+a3;-"
        "Aa6afGc0RP$m2mt^91^@v606+aLEiElAEiElAEiElAEiElAEh^pmI)cLsOOw`v(Rx!(L*JvQEHJdK-=nB3Ftmz$I-"
        "S~D>udCN1%?)tyYzJhfIpVtdL{1C*IQqss4M~emhaKjGuF>(6!vct+FI*t^mPpNv)Weg(eswaVGG;?olW#@U2T4koVGg%THX3Og1"
        "{cw6x}4f+FI*t^mPS*J+QZbnsxSi+2MPDb9k2ifgf96=AC_>ws>0I`Z|KZ9@rG!B)!^N>udCN1%N%Uw|<YDwmS%3;2i32qiXAG^n"
        "B&9*h1Ft(bO~6&uJ9)ZxY&C>udCN4E3|xR`1c&76ATRf#{dJOI>Y#j-"
        "apy@>{=0P*`DU6!vvHw6)gP=;{j$Eh~A3V}Z%={J+0vQ@cxDZJ1^_9G?%#Zv7oWVTGm1>p|$fDW@Ut(bN_gT2}AT)D{?8MLnHP?J"
        "ae+`Z|Kc3rgMkI)cC-%Wyps_i1abuhG;N0RBsN=;|5kXS9lYH;HX6b+!6BhI-lUD|hJm%VV&G?g7rG`Zlh%zemnn9fU1z{T)GI4{"
        "Qo<l3wjCb+!6Bg1{cwTffaZ`#o&%y}&uVOMgI*t*`S=zRz1cEpGiCL0}JT3T~2K?Jae+`Z|KZ9@tyIN6uRvgfDOobvMzqb+!6Fa@"
        "g!4Yj^1C8S7`XihDPSZ7p@R`Z|Vs+3g_z*#"
    ),
    "jpeg_lossless_8": (
        "|JeWF01!$>Nk#wx0RR9200961|HA+a2mlxW6afJd0RO}Q82|wR0RaI40000000000000970s#OB|Jncu0RaF3008;_09w}dt?OIX"
        "x2<nl(x&#C+HE(qkvFv3GAb%8s)(sFDk>{0D@@AMGPLT-"
        "(=xj_GlM+t^Sd}RwGK2m&@Vu^(BngkQAtuXl_fz^R8mxx3sKZ`okvmBM^V&u6IY7yim_fXUNK%P#w%+xn=_j;n=_o*oY|bMy!S2V"
        "Id3`6Tkdk+HQx7q>%H##-n-rRyw~@-?|ZKIy6ye$yVc&cy=!{b^{wk#-"
        "n7ZRruLgn?Ica@H?~DZM43?)CPhU>Wo2oZT4q+ASz2aSX9jR*o!)n626mywhZ+Kk1;&RO99oJ>k))|A3X-Cdq-"
        "k1?qonFOj*~i$qomrrSBzDP@rv<^@m?`gS)AFN*__#&=FH~I<!$G=Z#m0(&T`&+mh=DF"
    ),
    "htj2k": (
        "|4;u>04YEK0000K0000O00000000000000K0000O0000000000009pH0sl|{2mk^A000XAQUDA90ssL31q1{@0smY86Cj9?kdTm&"
        "kdTm&kdTmwh=~7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00002Y5)QMlfVEb2loXBbO68r6F>kHKmZbe===hQbO2!d0|#^f"
        "`vAvu0KfnezyK3K01|-Q00VRYjphI%GywDf$8-"
        "R|02NRG1*HH0Re(MP_$x*W_(8P*0I8)c*`Te|;sB8g%m4v<IRLI$D4*K?3;2UI0KfnjQ2+p4OaK9OAV0ta6BKI{<q8R_r;wp3Ko5"
        "`TJy_C=N+jgK0CTyo{!oY?003E?0KbHg3F)~Qp0t<^X%sW?s)0jP2Db+igYkgz1D*yrMs+CQAHV=2o&bMEp^3ncN5dq3fSx+6th+"
        "`cv;$cQfR~t@!t(;2Ecf~(;s?PKFFgRj055ld0ABF`0KKeRV@pgo_fjN=MsZt{sR0y;&2PKa022tY&CU&swt*Ri8^76Z@0zx33Y@"
        "Xg*lHO~X{nZ(>PG4pbSE@z&3(Jw;N9jAAUC(I$=DEWAZEM$Z4z#+?E)=b-DipAn`F2eGQ;S&y;!^)^m%g71|Y~Hdi(-"
        "s(E_We+2V!VC~!mSV5>>g)G~l}28h^ft^Ot4oJg@b{Ndf3ji#;9{A%vEnr-3szSWFIx0`KXO-"
        "k`#Qvf(^30=2!BQhCU8!#CQ9Dr`&kEfArtUy*905b4SsRLC9?pz)0`mc{4%V%MStD^@%VibS?GgJa+(gN+ao14@svA4CAaB*>!+P"
        "K-alji15YE$A)YHMSa*tT1@ZC2a1Deab<G`CU`+qO10Nr@XbH+K?u?lx{VZ7yyQ0NV)P@3_hCv-"
        "?umVF$zzKgJlh{Lqc_M*{1o>tC!fj^Tj&@I+_X0{__"
    ),
    "htj2k_8": (
        "|4;u>04YEK0000K0000O00000000000000K0000O0000000000009R90sl|{2mk^A00092QUDA90ssL31q1{@0smY86Cg-XP*6}%"
        "P*6}%P*6}vNJ#%=02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00001d;kIelfWhG0Ect{z!Ja`fXo1gbO6Eu2Xp|y5<n6_5&-"
        "xka{%ZHGXVYoV*tPtz!i`MKm_Of1Cx{h5`m`hKm<bbOZm6}%9{QFzoRt(z!tOtY(N&kr5O8cK*^v;<0OFkIovmY%K9(SngF990z8"
        "(WCPYO8MezZV;A7@wlK20Jd;p1JAR<IkOc!ams=NL{(caF9Iv-"
        "0Yy8ys1Lx5g|0KFW}VGT?H)`iD9s5Z=66_~e2H311S0d9;AeA|ZQT!>JiU2f_?j;`*d+x}!pba?q;qdmpy`{3ssw~^ma<cN*U-"
        "vJnEaSV)&rJ>SygPjf>DlEQebqATI8GQljrIDZjV66#`r1}8M(m0WjYKIwkcax}gJbssceJ4VLrbeg6sxuw|<TarN2*4$&YDhWt+"
        "+9UHR{&9GC;=Bo+s17}jp7h1d+@e4Ee2-Yzu$3^U3`j`!{<ctz<<rR#ldyc`B$u*my`FT%#i~B*#"
    ),
}
